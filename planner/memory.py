"""Forecast of peak memory of one training process, term by term. All functions return bytes.

The algebra of weights, gradients and optimizer states is that of mixed-precision Adam with ZeRO sharding
(arXiv:1910.02054, section 3); activations are counted tensor by tensor for a llama block. The constants of
the CPU are measured; see `OVERHEAD`.
"""

from __future__ import annotations

from planner.facts import ModelFacts
from planner.phrases import GIB, MIB, count, size
from planner.plan import MemoryPart
from planner.setup import Setup, adapter_parameters, trainable_parameters

OVERHEAD = {"cpu": 600 * MIB, "gpu": int(1.6 * GIB)}
"""What a process holds besides tensors: interpreter and libraries on the CPU (measured: 606 MB resident while
training a tiny model); CUDA context, cuBLAS workspaces and NCCL buffers on a GPU."""

FRAGMENTATION = {"cpu": 0.20, "gpu": 0.08}
"""Share of the tensors' sum that the allocator holds in addition. CPU: fits the demo's measured 2.13 GB per
process."""


def weights(model: ModelFacts, setup: Setup) -> MemoryPart:
    """Base weights: parameters x bytes per number, split by tensor and pipeline parallelism, and by
    stage3."""
    split = setup.tensor * setup.pipeline * (setup.sharding_degree if setup.sharding == "stage3" else 1)
    total = model.parameters * setup.number_bytes // split
    shared = f" / {split} processes" if split > 1 else ""
    return MemoryPart(
        bytes=total, because=f"{count(model.parameters)} weights x {setup.number_bytes} B{shared}"
    )


def adapter(model: ModelFacts, setup: Setup) -> MemoryPart:
    """LoRA weights, in the base model's number format."""
    number = adapter_parameters(model, setup.lora_rank, setup.lora_target_modules)
    total = number * setup.number_bytes // (setup.tensor * setup.pipeline)
    return MemoryPart(bytes=total, because=f"{count(number)} adapter weights x {setup.number_bytes} B")


def gradients(model: ModelFacts, setup: Setup) -> MemoryPart:
    """One gradient per trained weight; float32 under amp_master_grad; sharded from stage2 on."""
    width = 4 if setup.master_grad else setup.number_bytes
    number = _trained(model, setup)
    split = setup.sharding_degree if setup.sharding in ("stage2", "stage3") else 1
    return MemoryPart(bytes=number * width // split, because=_per(number, width, split, "gradients"))


def master_weights(model: ModelFacts, setup: Setup) -> MemoryPart:
    """Float32 copy of trained weights that are themselves 16 bits wide; sharded from stage1 on."""
    width = 4 if setup.number_bytes == 2 else 0
    number = _trained(model, setup)
    if not width:
        return MemoryPart(bytes=0, because="none: the weights are float32 themselves")
    split = _optimizer_split(setup)
    return MemoryPart(bytes=number * width // split, because=_per(number, width, split, "float32 copies"))


def optimizer(model: ModelFacts, setup: Setup) -> MemoryPart:
    """Adam's two float32 moments per trained weight; sharded from stage1 on."""
    number, split = _trained(model, setup), _optimizer_split(setup)
    return MemoryPart(bytes=number * 8 // split, because=_per(number, 8, split, "Adam moments, 2 x 4 B"))


def activations(model: ModelFacts, setup: Setup) -> MemoryPart:
    """What the forward pass keeps for the backward pass.

    Per token and block, in numbers: 7 x hidden (both norms' inputs and outputs, attention output, two
    residuals) + 2 x heads x head_dim (queries before and after rotation) + 3 x kv_heads x head_dim (keys,
    their rotation, values) + 4 x intermediate (gate, up, activated gate, product). Without FlashAttention the
    scores are kept too: heads x length per token, twice (scores, softmax). LoRA adds its inputs only when
    dropout copies them. With recompute only each block's input stays, and one block in full.
    """
    tokens = setup.micro_batch_tokens
    block = _block_bytes(model, setup, tokens)
    layers = model.num_hidden_layers // setup.pipeline
    if setup.recompute:
        total = layers * tokens * model.hidden_size * setup.activation_bytes + block
        because = f"inputs of {layers} blocks and one block in full ({size(block)}), {count(tokens)} tokens"
    else:
        total = layers * block
        because = f"{layers} blocks x {size(block)} at {count(tokens)} tokens"
    return MemoryPart(bytes=total, because=because)


def logits(model: ModelFacts, setup: Setup) -> MemoryPart:
    """Scores over the vocabulary, their softmax and their gradient.

    In float32 three copies of tokens x vocabulary x 4 B; in 16 bits the 2 B logits and gradient as well.
    """
    tokens = setup.micro_batch_tokens
    width = 12 if setup.activation_bytes == 4 else 12 + 2 * setup.activation_bytes
    total = tokens * model.vocab_size * width
    return MemoryPart(
        bytes=total, because=f"{count(tokens)} tokens x {count(model.vocab_size)} words x {width} B"
    )


def peak(model: ModelFacts, setup: Setup, device: str) -> dict[str, MemoryPart]:
    """Return every term by name; their sum is the forecast peak of one process. `device` is cpu or gpu."""
    parts = {"weights": weights(model, setup)}
    if setup.method == "lora":
        parts["adapter"] = adapter(model, setup)
    parts |= {
        "gradients": gradients(model, setup),
        "master weights": master_weights(model, setup),
        "optimizer": optimizer(model, setup),
        "activations": activations(model, setup),
        "logits": logits(model, setup),
    }
    held = sum(part.bytes for part in parts.values())
    share = FRAGMENTATION[device]
    parts["allocator"] = MemoryPart(
        bytes=int(held * share), because=f"{share:.0%} of the tensors, held in gaps"
    )
    parts["overhead"] = MemoryPart(
        bytes=OVERHEAD[device],
        because="Python and the engine's libraries"
        if device == "cpu"
        else "CUDA context, library workspaces and communication buffers",
    )
    return parts


def total(parts: dict[str, MemoryPart]) -> int:
    """Return the sum of the terms."""
    return sum(part.bytes for part in parts.values())


def _block_bytes(model: ModelFacts, setup: Setup, tokens: int) -> int:
    query = model.num_attention_heads * model.head_dim
    key_value = model.num_key_value_heads * model.head_dim
    split = 2 * query + 3 * key_value + 4 * model.intermediate_size
    numbers = 7 * model.hidden_size + split // setup.tensor
    if not setup.flash:
        numbers += 2 * model.num_attention_heads // setup.tensor * setup.sequence_length
    return tokens * numbers * setup.activation_bytes


def _trained(model: ModelFacts, setup: Setup) -> int:
    return trainable_parameters(model, setup) // (setup.tensor * setup.pipeline)


def _optimizer_split(setup: Setup) -> int:
    return setup.sharding_degree if setup.sharding != "none" else 1


def _per(number: int, width: int, split: int, noun: str) -> str:
    shared = f" / {split} processes" if split > 1 else ""
    return f"{count(number)} trained weights x {width} B{shared} ({noun})"
