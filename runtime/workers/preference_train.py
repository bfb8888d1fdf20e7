"""The training stage of preferences and reward models: `train` with the parts of `preference_setup`."""

from __future__ import annotations

from typing import Any

from runtime.workers import train


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Train; see `train.main`."""
    return train.main(spec, arguments, "runtime.workers.preference_setup")
