"""The last test of a reward model: it scores held-out pairs, before and after training."""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Score; return 0 when done or stopped on request, 1 when not."""
    return run_stage(spec, "runtime.workers.reward_scoring")
