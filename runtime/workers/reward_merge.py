"""The merge stage of a reward model: what was trained becomes a Hugging Face folder with a score head,
proven."""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Write and prove; return 0 when proven or stopped on request, 1 when not."""
    return run_stage(spec, "runtime.workers.reward_merging")
