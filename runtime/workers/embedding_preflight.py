"""The preflight stage of an embedding fine-tune: two real steps with the parts of `embedding_setup`."""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import Stage, run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Rehearse; return 0 when training can start, 1 when not."""
    return run_stage(spec, "runtime.workers.embedding_preflight")


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Return no outputs, and what was measured."""
    from runtime.workers import embedding_setup, preflighting

    return preflighting.work(spec, stage, embedding_setup)
