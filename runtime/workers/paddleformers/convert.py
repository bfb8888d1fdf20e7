"""Stage `convert` for PaddleFormers: a prepared copy of the Hugging Face folder that provably computes the
same.

Specification and proofs are those of `runtime.workers.convert`.
"""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Run the stage; see `converting.work`."""
    return run_stage(spec, "runtime.workers.paddleformers.converting")
