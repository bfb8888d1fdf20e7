"""Which methods the search compares, and in which order the goal prefers them."""

from __future__ import annotations

from typing import NamedTuple

from planner.methods import blocked
from planner.situation import Situation
from planner.unused import ADAPTER_SETTINGS

FULL_ROWS = 1000
"""Rows from which training every weight pays; with fewer, LoRA reaches the same answers and forgets less
(arXiv:2405.09673)."""

QUANTISED = ("weight_only_int8", "weight_only_int4")
"""Ways to store frozen weights that need nothing but Paddle itself; nf4 and fp4 need operators of PaddleSlim
(paddlenlp/quantization/quantization_linear.py:89-96) and are used only when fixed."""

FULL_ONLY = ("pretrain", "reward", "embedding")
"""Stages that train every weight unless the person fixes a method."""


class Kind(NamedTuple):
    """A method with its weight format; the lowest `order` that fits is taken, None is only compared."""

    method: str
    weight_format: str
    order: int | None


def kinds(s: Situation) -> tuple[Kind, ...]:
    """Return what to compare, the preferred first."""
    method = s.pin("method")
    if method is not None:
        return tuple(Kind(str(method), name, index) for index, name in enumerate(formats(s, str(method))))
    if s.pin("num_prefix_tokens") is not None and not blocked(s, "prefix_tuning"):
        return (Kind("prefix_tuning", "none", 0),)
    if s.wishes.stage in FULL_ONLY or blocked(s, "lora") or s.pin("enable_auto_parallel"):
        return (Kind("full", "none", 0),)
    names = formats(s, "qlora") if can_quantise(s) else ()
    low = [Kind("qlora", name, index + 1) for index, name in enumerate(names)]
    if low and s.pin("weight_quantize_algo") is not None:
        return tuple(low)
    if s.wishes.goal == "memory":
        low = [kind._replace(order=0) for kind in low]
    if prefers_full(s):
        last = [kind._replace(order=(kind.order or 0) + 1) for kind in low]
        return (Kind("full", "none", 0), Kind("lora", "none", 1), *last)
    return (Kind("lora", "none", 0), *low, Kind("full", "none", None))


def prefers_full(s: Situation) -> bool:
    """Return whether training every weight is worth its memory and time; not where somebody fixed how the
    adapters should be."""
    adapters = any(s.pin(name) is not None for name in ADAPTER_SETTINGS)
    return s.on_gpu and s.wishes.goal == "quality" and s.data.train_rows >= FULL_ROWS and not adapters


def formats(s: Situation, method: str) -> tuple[str, ...]:
    """Return the weight formats to try for a method, the most exact first."""
    pinned = s.pin("weight_quantize_algo")
    if pinned is not None:
        return (str(pinned),)
    return QUANTISED if method == "qlora" else ("none",)


def can_quantise(s: Situation) -> bool:
    """Return whether the engine stores this model's frozen weights in few bits in this stage."""
    return (
        not blocked(s, "qlora")
        and s.word("precision") != "fp32"
        and s.pin("weight_quantize_algo") != "none"
        and s.known("lora_variant", "plain") == "plain"
    )
