"""The ways of training that Paddle has for accelerators only, as changes of a config."""

from __future__ import annotations

from typing import Any, NamedTuple


class Way(NamedTuple):
    """One of them."""

    processes: int
    changes: dict[str, Any]


TENSOR = {"tensor_parallel_degree": 2}
THREE = {"pipeline_parallel_degree": 3, "lora": False}

LAYERS = 6
"""Of the model that is trained: three stages of two chunks need one each."""

WAYS = {
    "tensor parallel": Way(2, TENSOR),
    "tensor and sequence parallel": Way(2, {**TENSOR, "sequence_parallel": True}),
    "sharding stage 2": Way(2, {"sharding": "stage2", "sharding_parallel_degree": 2}),
    "sharding stage 3": Way(2, {"sharding": "stage3", "sharding_parallel_degree": 2}),
    "pipeline": Way(2, {"pipeline_parallel_degree": 2, "lora": False}),
    "pipeline of three stages": Way(3, THREE),
    "pipeline of three stages in two chunks each": Way(3, {**THREE, "virtual_pp_degree": 2}),
    "FlashMask": Way(
        1, {"flash_mask": True, "use_flash_attention": True, "bf16": True, "fp16_opt_level": "O2"}
    ),
}
