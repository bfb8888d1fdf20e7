"""The training stage: `paddle.distributed.launch ... start.py paddleformers.train SPEC.json`."""

from __future__ import annotations

from typing import Any

from runtime.workers import train

SETUP = "runtime.workers.paddleformers.setup"


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Train; see `train.main`."""
    return train.main(spec, arguments, SETUP)
