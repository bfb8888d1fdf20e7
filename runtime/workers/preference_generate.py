"""The stage that answers, for a model that learned preferences: it also weighs the held-out answers."""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Answer and weigh; return 0 when done or stopped on request, 1 when not."""
    return run_stage(spec, "runtime.workers.preference_answering")
