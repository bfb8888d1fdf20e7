"""The training stage of continued pretraining: `train` with the parts of `pretrain_setup`."""

from __future__ import annotations

from typing import Any

from runtime.workers import train


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Train; see `train.main`."""
    return train.main(spec, arguments, "runtime.workers.pretrain_setup")
