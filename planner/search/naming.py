"""A way of sharing the work in the words of its settings."""

from __future__ import annotations

from planner.pace import GRANULARITY, STAGES
from planner.refusals import show
from planner.setup import NO_RECOMPUTE, Setup
from planner.wishes import Value

DEGREES = {
    "tensor": "tensor_parallel_degree",
    "pipeline": "pipeline_parallel_degree",
    "context": "context_parallel_degree",
    "expert": "expert_parallel_degree",
    "micro_batch": "per_device_train_batch_size",
    "offload": "offload_optim",
    "processes": "num_processes",
}
"""Field of `Setup` -> its setting, where the value is the same."""


def named(setup: Setup, field: str) -> dict[str, Value]:
    """Return the settings, with their values, that one field of a single way stands for."""
    if field == "recompute":
        if setup.recompute == NO_RECOMPUTE:
            return {"recompute": False}
        word = next(name for name, value in GRANULARITY.items() if value == setup.recompute)
        return {"recompute": True, "recompute_granularity": word}
    if field == "sharding":
        return {"sharding": STAGES[int(setup.sharding)]}
    return {DEGREES[field]: getattr(setup, field)}


def differing(one: Setup, than: Setup, *but: str) -> dict[str, Value]:
    """Return the settings in which one way of sharing the work differs from another, except for the fields
    `but`."""
    found: dict[str, Value] = {}
    for field in (*DEGREES, "sharding", "recompute"):
        if field not in but and getattr(one, field) != getattr(than, field):
            found |= named(one, field)
    return found


def words(settings: dict[str, Value]) -> str:
    """Return settings as they stand on a command line, one after another; what is recomputed says that it
    is."""
    shown = {name: value for name, value in settings.items() if name != "recompute" or not value}
    return ", ".join(f"{name}={show(value)}" for name, value in (shown or settings).items())
