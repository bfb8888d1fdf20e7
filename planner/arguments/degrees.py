"""Parallel degrees as the engines' own `__post_init__` resolve them for a number of processes.

Sources: PaddleNLP 3.0.0b4 trainer/training_args.py:1024-1213; PaddleFormers 1.2.0
trainer/training_args.py:2755-2880 (context parallel lies inside the sharding group there).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

NAMES = {
    "paddlenlp": {
        "tensor": "tensor_parallel_degree",
        "pipeline": "pipeline_parallel_degree",
        "sharding": "sharding_parallel_degree",
        "sep": "sep_parallel_degree",
        "context": "context_parallel_degree",
        "expert": "expert_parallel_degree",
        "expert_tensor": "expert_tensor_parallel_degree",
        "virtual": "virtual_pp_degree",
    },
    "paddleformers": {
        "tensor": "tensor_model_parallel_size",
        "pipeline": "pipeline_model_parallel_size",
        "sharding": "sharding_parallel_size",
        "sep": "sep_parallel_size",
        "context": "context_parallel_size",
        "expert": "expert_model_parallel_size",
        "expert_tensor": "expert_tensor_model_parallel_size",
        "virtual": "virtual_pipeline_model_parallel_size",
    },
}
"""Engine -> word of this package -> argument."""

STAGES = ("stage1", "stage2", "stage3", "offload")
"""Words of `sharding` (ShardingOption)."""


class Degrees(NamedTuple):
    """What the processes are split into; every degree is at least 1 except `data`, which a bad product
    makes 0."""

    tensor: int = 1
    pipeline: int = 1
    sharding: int = 1
    sep: int = 1
    context: int = 1
    expert: int = 1
    virtual: int = 1
    data: int = 1
    stage: int = 0
    """ZeRO stage that is left after resolution."""
    offload: bool = False
    hybrid: bool = False
    """Whether any split is active, so that the engine builds its process groups."""


def whole(value: object, missing: int = -1) -> int:
    """Return a degree as written, or `missing` for anything that is not a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else missing


def words(sharding: object) -> tuple[str, ...]:
    """Return the words of `sharding`; a switch means stage 1."""
    if isinstance(sharding, bool):
        return ("stage1",) if sharding else ()
    return tuple(str(sharding or "").split())


def resolve(engine: str, values: Mapping[str, Any], processes: int) -> Degrees:
    """Return the degrees that the engine would use, without judging them."""
    names = NAMES[engine]
    if processes <= 1:
        return Degrees()
    tensor, pipeline, sep, context, expert = (
        max(whole(values.get(names[word])), 1) for word in ("tensor", "pipeline", "sep", "context", "expert")
    )
    asked = words(values.get("sharding"))
    degree = max(whole(values.get(names["sharding"])), whole(values.get("sharding_degree")))
    inside = tensor * sep * pipeline * (context if engine == "paddlenlp" else 1)
    if degree == -1 and asked:
        degree = processes // inside
    sharding = max(degree, 1)
    stage = next((int(word[-1]) for word in asked if word.startswith("stage")), 0) if sharding > 1 else 0
    hybrid = max(tensor, pipeline, sep, context, expert, sharding) > 1
    return Degrees(
        tensor,
        pipeline,
        sharding,
        sep,
        context,
        expert,
        max(whole(values.get(names["virtual"]), 1), 1),
        processes // (sharding * inside),
        stage,
        sharding > 1 and "offload" in asked,
        hybrid and not values.get("enable_auto_parallel"),
    )
