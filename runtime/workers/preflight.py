"""The preflight stage: rehearse training for two optimizer steps on the longest sequences, and keep nothing.

It runs the code of the training stage on one process, so whatever would fail in the first step of a long
run (a wrong setting, unreadable data, too little memory) fails here, in seconds and in words.
"""

from __future__ import annotations

from typing import Any

from runtime.workers.stage_run import run_stage


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Rehearse; return 0 when training can start, 1 when not."""
    return run_stage(spec, "runtime.workers.preflighting")
