"""The ways of training that Paddle has for accelerators only, as changes of a config."""

from __future__ import annotations

from typing import Any, NamedTuple


class Way(NamedTuple):
    """One of them."""

    processes: int
    changes: dict[str, Any]


TENSOR = {"tensor_parallel_degree": 2}

WAYS = {
    "tensor parallel": Way(2, TENSOR),
    "tensor and sequence parallel": Way(2, {**TENSOR, "sequence_parallel": True}),
    "sharding stage 2": Way(2, {"sharding": "stage2", "sharding_parallel_degree": 2}),
    "sharding stage 3": Way(2, {"sharding": "stage3", "sharding_parallel_degree": 2}),
    "pipeline": Way(2, {"pipeline_parallel_degree": 2, "lora": False}),
    "FlashMask": Way(
        1, {"flash_mask": True, "use_flash_attention": True, "bf16": True, "fp16_opt_level": "O2"}
    ),
}
