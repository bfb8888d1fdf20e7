"""Which toolkit this engine holds: an engine has exactly one of PaddleNLP and PaddleFormers.

PaddleFormers grew out of PaddleNLP, and what both have under another address is fetched from here, so that
proofs, decoding and progress are one code.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from typing import Any


@cache
def is_paddleformers() -> bool:
    """Return whether this is the engine of PaddleFormers."""
    return importlib.util.find_spec("paddleformers") is not None


def name() -> str:
    """Return the toolkit's name as it is written in sentences."""
    return "PaddleFormers" if is_paddleformers() else "PaddleNLP"


def part(module: str, attribute: str) -> Any:
    """Return `attribute` of the toolkit's module `trainer`, `transformers`, `trainer.trainer_utils`..."""
    toolkit = "paddleformers" if is_paddleformers() else "paddlenlp"
    return getattr(importlib.import_module(f"{toolkit}.{module}"), attribute)
