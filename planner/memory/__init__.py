"""Forecast of peak memory of one training process, by part. Everything works on one way or on a grid.

Two moments compete for the peak: the loss, when all activations and the scores over the vocabulary are there,
and the backward pass of a block right after it. Of the pipeline stages the first and the last compete.
"""

from __future__ import annotations

from planner.memory.forecast import PARTS, TENSORS, peak_bytes, terms
from planner.memory.host import host_bytes
from planner.memory.other_moments import cache_bytes, evaluation_bytes, generation_bytes
from planner.memory.profile import PADDLEFORMERS, PADDLENLP, Profile
from planner.memory.reasons import peak, total

__all__ = [
    "PADDLEFORMERS",
    "PADDLENLP",
    "PARTS",
    "TENSORS",
    "Profile",
    "cache_bytes",
    "evaluation_bytes",
    "generation_bytes",
    "host_bytes",
    "peak",
    "peak_bytes",
    "terms",
    "total",
]
