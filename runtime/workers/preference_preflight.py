"""The preflight stage of preferences and reward models: two real steps with the parts of
`preference_setup`."""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import Stage, run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Rehearse; return 0 when training can start, 1 when not."""
    return run_stage(spec, "runtime.workers.preference_preflight")


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Return no outputs, and what was measured."""
    from runtime.workers import preference_setup, preflighting

    return preflighting.work(spec, stage, preference_setup)
