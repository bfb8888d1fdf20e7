"""How many weights a model has, where they lie and how many of them a method moves. All figures are counts.

Functions that take a `Setup` work on one way or on a whole grid of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from planner.facts import ModelFacts
from planner.families import family
from planner.setup import Real, Setup, Whole


class Shape(NamedTuple):
    """One linear layer of a block: its width in and out, and how many of it the model has."""

    inputs: int
    outputs: int
    number: int

    @property
    def weights(self) -> int:
        """Weights of all layers of this kind, without biases."""
        return self.inputs * self.outputs * self.number


def total(model: ModelFacts) -> int:
    """Return all weights; tied embeddings count once."""
    return model.parameters


def embedding(model: ModelFacts) -> int:
    """Return the weights of the embedding matrix; the output head has as many."""
    return model.vocab_size * model.hidden_size


def head(model: ModelFacts) -> int:
    """Return the weights of an output head of its own; 0 where it shares the embedding matrix."""
    return 0 if model.tie_word_embeddings else embedding(model)


def attention_shapes(model: ModelFacts) -> dict[str, tuple[int, int]]:
    """Return (in, out) of the linear layers of one attention, by name.

    Multi-head latent attention has its own (arXiv:2405.04434, section 2.1).
    """
    hidden, heads = model.hidden_size, model.num_attention_heads
    latent = model.latent_attention
    if latent is None:
        query, key_value = heads * model.head_dim, model.num_key_value_heads * model.head_dim
        return {
            "q": (hidden, query),
            "k": (hidden, key_value),
            "v": (hidden, key_value),
            "o": (query, hidden),
        }
    key = latent.qk_nope_head_dim + latent.qk_rope_head_dim
    shapes = {
        "kv_a": (hidden, latent.kv_lora_rank + latent.qk_rope_head_dim),
        "kv_b": (latent.kv_lora_rank, heads * (latent.qk_nope_head_dim + latent.v_head_dim)),
        "o": (heads * latent.v_head_dim, hidden),
    }
    if latent.q_lora_rank is None:
        return {"q": (hidden, heads * key), **shapes}
    return {"q_a": (hidden, latent.q_lora_rank), "q_b": (latent.q_lora_rank, heads * key), **shapes}


def mlp_shapes(model: ModelFacts, width: int) -> dict[str, tuple[int, int]]:
    """Return (in, out) of the linear layers of an MLP of this width, by name."""
    hidden = model.hidden_size
    gate = {"gate": (hidden, width)} if model.gated_mlp else {}
    return {**gate, "up": (hidden, width), "down": (width, hidden)}


def linear_shapes(model: ModelFacts) -> dict[str, tuple[int, int]]:
    """Return (in, out) of the linear layers of one dense block, by name."""
    return {**attention_shapes(model), **mlp_shapes(model, model.intermediate_size)}


def all_shapes(model: ModelFacts) -> dict[str, Shape]:
    """Return every kind of linear layer in the blocks, experts and shared experts included."""
    layers, expert_layers = model.num_hidden_layers, model.expert_blocks
    shapes = {name: Shape(*shape, layers) for name, shape in attention_shapes(model).items()}
    if layers > expert_layers:
        dense = mlp_shapes(model, model.intermediate_size)
        shapes |= {name: Shape(*shape, layers - expert_layers) for name, shape in dense.items()}
    if model.experts is not None:
        routed = mlp_shapes(model, model.experts.intermediate_size)
        number = expert_layers * model.experts.count
        shapes |= {f"expert {name}": Shape(*shape, number) for name, shape in routed.items()}
        if model.experts.shared_intermediate_size:
            shared = mlp_shapes(model, model.experts.shared_intermediate_size)
            shapes |= {f"shared {name}": Shape(*shape, expert_layers) for name, shape in shared.items()}
    return shapes


def experts(model: ModelFacts) -> int:
    """Return the weights of all routed experts; 0 for a dense model."""
    if model.experts is None:
        return 0
    return sum(shape.weights for name, shape in all_shapes(model).items() if name.startswith("expert "))


def linears(model: ModelFacts) -> int:
    """Return the weights of all linear layers of the blocks: what weight quantisation covers."""
    return min(sum(shape.weights for shape in all_shapes(model).values()), blocks(model))


def blocks(model: ModelFacts) -> int:
    """Return the weights of all blocks: everything but embedding and head."""
    return max(1, model.parameters - embedding(model) - head(model))


def per_block(model: ModelFacts) -> float:
    """Return the average weights of one block."""
    return blocks(model) / (model.num_hidden_layers + model.next_token_layers)


def largest_stage_share(model: ModelFacts, pipeline: Whole, virtual: Whole = 1) -> Real:
    """Return the share of the blocks on the fullest pipeline stage: layers are dealt out in whole blocks."""
    pieces = np.asarray(pipeline) * np.asarray(virtual)
    layers = model.num_hidden_layers + model.next_token_layers
    share: Real = np.minimum(1.0, np.ceil(layers / pieces) * np.asarray(virtual) / layers)
    return share


def adapter_targets(model: ModelFacts, setup: Setup) -> dict[str, Shape]:
    """Return the linear layers that get an adapter; layers that the engine keeps as one get one together."""
    if setup.lora_target_modules == "attention":
        layers = model.num_hidden_layers
        shapes = {name: Shape(*shape, layers) for name, shape in attention_shapes(model).items()}
    else:
        shapes = all_shapes(model)
    found = family(setup.engine, model.model_type)
    if found is None or not found.fused_layers:
        return shapes
    return {name: shape for group in FUSED for name, shape in together(shapes, group).items()}


FUSED = (("q", "k", "v"), ("gate", "up"), ("o",), ("down",))
"""Layers of a dense block, those together that are one layer where an engine fuses them."""


def together(shapes: dict[str, Shape], group: tuple[str, ...]) -> dict[str, Shape]:
    """Return the layers of a group as one, which has the inputs of each and the outputs of all."""
    found = [shapes[name] for name in group if name in shapes]
    if not found:
        return {}
    return {"".join(group): Shape(found[0].inputs, sum(shape.outputs for shape in found), found[0].number)}


def adapter_parameters(model: ModelFacts, setup: Setup) -> int:
    """Return the trained weights of a method that freezes the base; 0 for full training.

    LoRA: rank x (in + out) per layer (arXiv:2106.09685); MosLoRA adds a rank x rank mixer (arXiv:2406.11909);
    VeRA trains one vector of the rank and one of the output (arXiv:2310.11454); LoKr a small factor and a
    low-rank one (arXiv:2309.14859); ReFT a projection and a map per block (arXiv:2404.03592); prefix tuning a
    key and a value per virtual token and block (arXiv:2101.00190).
    """
    rank, targets = setup.lora_rank, adapter_targets(model, setup).values()
    hidden, layers = model.hidden_size, model.num_hidden_layers
    if setup.method in ("lora", "qlora"):
        mixer = rank * rank if setup.lora_variant == "moslora" else 0
        return sum((rank * (shape.inputs + shape.outputs) + mixer) * shape.number for shape in targets)
    if setup.method == "vera":
        return sum((rank + shape.outputs) * shape.number for shape in targets)
    if setup.method == "lokr":
        return sum(_kronecker(shape.inputs, shape.outputs, rank) * shape.number for shape in targets)
    if setup.method == "reft":
        return layers * (2 * rank * hidden + rank)
    if setup.method == "prefix_tuning":
        return setup.num_prefix_tokens * layers * 2 * model.num_key_value_heads * model.head_dim
    return 0


def frozen_adapter_parameters(model: ModelFacts, setup: Setup) -> int:
    """Return adapter weights that never move: VeRA's random projections, held for each layer."""
    if setup.method != "vera":
        return 0
    shapes = adapter_targets(model, setup).values()
    return sum(setup.lora_rank * (shape.inputs + shape.outputs) * shape.number for shape in shapes)


def trainable(model: ModelFacts, setup: Setup) -> int:
    """Return how many weights move."""
    return model.parameters if setup.trains_all else adapter_parameters(model, setup)


def _kronecker(inputs: int, outputs: int, rank: int) -> int:
    """Weights of a Kronecker pair: each width is split near its square root, the larger half has low rank."""
    small_in, small_out = _near_root(inputs), _near_root(outputs)
    return small_in * small_out + rank * (inputs // small_in + outputs // small_out)


def _near_root(number: int) -> int:
    return next(divisor for divisor in range(math.isqrt(number), 0, -1) if number % divisor == 0)
