"""Ways to train one model: the settings that memory and speed depend on, as plain typed fields.

One `Setup` describes one way, or a whole grid of them: every field of type `Whole` or `Switch` may be a
number or a NumPy array, and arrays broadcast together. Fields that are words hold for the whole grid, so a
search makes one `Setup` for each combination of words and varies the numbers inside it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.facts import ModelFacts

Whole = int | NDArray[np.int64]
Real = float | NDArray[np.float64]
Switch = bool | NDArray[np.bool_]

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
"""Bytes of one number by precision."""

NO_RECOMPUTE, CORE_ATTENTION, FULL_ATTENTION, FULL_RECOMPUTE = 0, 1, 2, 3
"""Values of `Setup.recompute`: nothing, attention scores only, attention with its projections, blocks."""


@dataclass(frozen=True)
class Setup:
    """What decides peak memory and step time of one training process, or of a grid of them."""

    stage: str = "sft"
    engine: str = "paddlenlp"
    method: str = "lora"
    lora_variant: str = "plain"
    lora_rank: int = 8
    lora_target_modules: str = "all-linear"
    num_prefix_tokens: int = 128
    weight_format: str = "none"
    """`weight_quantize_algo`: none, nf4, fp4, weight_only_int8, weight_only_int4."""
    double_quant: bool = False
    precision: str = "fp32"
    opt_level: str = "O1"
    master_grad: bool = False
    optimizer: str = "adamw"
    attention: str = "dense"
    """dense stores every score; flash and flash_mask store none."""
    fused_norm: bool = False
    fused_rope: bool = False
    fused_qkv: bool = False
    fused_ffn: bool = False
    fused_loss: bool = False
    """`use_fused_linear_cross_entropy`."""
    tensor_parallel_output: bool = False
    reference_model: bool = False
    """Whether a frozen copy of the model lies beside it (DPO, KTO)."""
    sequence_length: int = 256
    recompute: Whole = NO_RECOMPUTE
    offload: Switch = False
    processes: Whole = 1
    tensor: Whole = 1
    sequence_parallel: Switch = False
    pipeline: Whole = 1
    virtual: Whole = 1
    sharding: Whole = 0
    """ZeRO stage 0 to 3 (`sharding`: none, stage1, stage2, stage3)."""
    sharding_degree: Whole = 1
    context: Whole = 1
    """Processes that split one sequence: context or segment parallel."""
    expert: Whole = 1
    micro_batch: Whole = 1
    accumulation: Whole = 1
    static_graph: bool = False
    """`enable_auto_parallel` with a static graph: no host work per operation."""
    threads: Whole = 1
    fast_matmul: bool = True

    @property
    def replicas(self) -> Whole:
        """Processes that see different rows: sharded or plain data parallel."""
        return np.maximum(1, self.processes // (self.tensor * self.pipeline * self.context))

    @property
    def micro_batch_tokens(self) -> Whole:
        """Tokens of one forward pass on one process, padding included, before any split of the sequence."""
        return self.micro_batch * self.sequence_length

    @property
    def number_bytes(self) -> int:
        """Bytes of one stored weight: 16-bit only under O2; O1 keeps float32 weights and casts per
        operation."""
        return BYTES[self.precision] if self.opt_level == "O2" else 4

    @property
    def activation_bytes(self) -> int:
        """Bytes of one activation."""
        return BYTES[self.precision]

    @property
    def trains_all(self) -> bool:
        """Whether every weight moves."""
        return self.method == "full"

    @property
    def size(self) -> int:
        """Number of ways: 1, or the length of the arrays."""
        return int(np.broadcast(*(getattr(self, entry.name) for entry in fields(self))).size)

    def one(self, index: int) -> Setup:
        """Return the way at `index` of a grid, with plain numbers."""
        plain: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, np.ndarray):
                plain[entry.name] = value[index].item()
        return replace(self, **plain)


def linear_shapes(model: ModelFacts) -> dict[str, tuple[int, int]]:
    """Return (in, out) of the linear layers of one dense block, by name."""
    from planner import weights

    return weights.linear_shapes(model)


def adapter_parameters(model: ModelFacts, rank: int, targets: str, engine: str) -> int:
    """Return the weights of all LoRA adapters of this rank."""
    from planner import weights

    return weights.adapter_parameters(
        model, Setup(lora_rank=rank, lora_target_modules=targets, engine=engine)
    )


def trainable_parameters(model: ModelFacts, setup: Setup) -> int:
    """Return how many weights move."""
    from planner import weights

    return weights.trainable(model, setup)
