"""Stage `merge` for PaddleFormers. Specification and proofs are those of `runtime.workers.merge`."""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Run the stage; see `merging.work`."""
    return run_stage(spec, "runtime.workers.paddleformers.merging")
