"""One way to train one model: the settings that memory and speed depend on, as plain typed fields."""

from __future__ import annotations

from dataclasses import dataclass

from planner.facts import ModelFacts

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
"""Bytes of one number by precision."""


@dataclass(frozen=True)
class Setup:
    """What decides peak memory and step time. Built from decisions, or tried out by a rule."""

    method: str = "lora"
    lora_rank: int = 8
    lora_target_modules: str = "all-linear"
    precision: str = "fp32"
    opt_level: str = "O1"
    master_grad: bool = False
    flash: bool = False
    flash_mask: bool = False
    recompute: bool = False
    processes: int = 1
    tensor: int = 1
    pipeline: int = 1
    sharding: str = "none"
    sharding_degree: int = 1
    micro_batch: int = 1
    accumulation: int = 1
    sequence_length: int = 256
    threads: int = 1
    fast_matmul: bool = True

    @property
    def replicas(self) -> int:
        """Processes that see different rows: sharded or plain data parallel."""
        return max(1, self.processes // (self.tensor * self.pipeline))

    @property
    def micro_batch_tokens(self) -> int:
        """Tokens of one forward pass on one process, padding included."""
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


def linear_shapes(model: ModelFacts) -> dict[str, tuple[int, int]]:
    """Return (in, out) of the linear layers of one block, by name."""
    hidden, inner = model.hidden_size, model.intermediate_size
    query, key_value = model.num_attention_heads * model.head_dim, model.num_key_value_heads * model.head_dim
    return {
        "q": (hidden, query),
        "k": (hidden, key_value),
        "v": (hidden, key_value),
        "o": (query, hidden),
        "gate": (hidden, inner),
        "up": (hidden, inner),
        "down": (inner, hidden),
    }


def adapter_parameters(model: ModelFacts, rank: int, targets: str) -> int:
    """Return the weights of all LoRA adapters: rank x (in + out) per adapted layer (arXiv:2106.09685)."""
    chosen = ("q", "k", "v", "o") if targets == "attention" else tuple(linear_shapes(model))
    shapes = linear_shapes(model)
    return model.num_hidden_layers * rank * sum(sum(shapes[name]) for name in chosen)


def trainable_parameters(model: ModelFacts, setup: Setup) -> int:
    """Return how many weights move."""
    if setup.method == "full":
        return model.parameters
    return adapter_parameters(model, setup.lora_rank, setup.lora_target_modules)
