"""The training stage of an embedding fine-tune: `train` with the parts of `embedding_setup`."""

from __future__ import annotations

from typing import Any

from runtime.workers import train


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Train; see `train.main`."""
    return train.main(spec, arguments, "runtime.workers.embedding_setup")
