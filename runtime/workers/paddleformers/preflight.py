"""The preflight stage for PaddleFormers: the rehearsal of `runtime.workers.preflight`, built by its own
setup.
"""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import Stage, run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Rehearse; return 0 when training can start, 1 when not."""
    return run_stage(spec, "runtime.workers.paddleformers.preflight")


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Do the stage."""
    from runtime.workers import preflighting
    from runtime.workers.paddleformers import setup

    return preflighting.work(spec, stage, setup)
