"""Matrix products of one block, and how long a product takes.

A product of [tokens, inputs] with [inputs, outputs] costs 2 x tokens x inputs x outputs operations. It takes
as long as the operations do at the card's achievable rate, plus reading and writing its operands, plus half a
wave of its tiles: together they make small hidden sizes, small micro-batches and thin slices of tensor
parallelism slow, as they are.
"""

from __future__ import annotations

from typing import NamedTuple

from planner.facts import ModelFacts
from planner.setup import Setup
from planner.speed.amounts import Amount
from planner.speed.cluster import Cluster

TILE = 128 * 256
"""Elements of the output that one streaming multiprocessor computes at a time (CUTLASS's usual tile)."""

MEMORY_REACHED = 0.80
"""Share of the published memory bandwidth that large copies reach: STREAM-like kernels on A100 and H100."""


class Product(NamedTuple):
    """One linear layer. `split` says which side tensor parallelism cuts: `out`, `in` or `none`."""

    inputs: int
    outputs: int
    split: str
    adapted: bool = True
    """Whether LoRA puts an adapter on it when all linear layers are adapted."""

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.inputs * self.outputs


def attention_products(model: ModelFacts) -> tuple[Product, ...]:
    """Return the projections of one attention layer."""
    hidden, heads = model.hidden_size, model.num_attention_heads
    latent = model.latent_attention
    if latent is None:
        query, key_value = heads * model.head_dim, model.num_key_value_heads * model.head_dim
        return (
            Product(hidden, query, "out"),
            Product(hidden, key_value, "out"),
            Product(hidden, key_value, "out"),
            Product(query, hidden, "in"),
        )
    query = heads * (latent.qk_nope_head_dim + latent.qk_rope_head_dim)
    queries = (
        (Product(hidden, query, "out"),)
        if latent.q_lora_rank is None
        else (Product(hidden, latent.q_lora_rank, "none"), Product(latent.q_lora_rank, query, "out"))
    )
    return (
        *queries,
        Product(hidden, latent.kv_lora_rank + latent.qk_rope_head_dim, "none"),
        Product(latent.kv_lora_rank, heads * (latent.qk_nope_head_dim + latent.v_head_dim), "out"),
        Product(heads * latent.v_head_dim, hidden, "in"),
    )


def mlp_products(model: ModelFacts, inner: int) -> tuple[Product, ...]:
    """Return the products of an MLP of this inner width."""
    up = Product(model.hidden_size, inner, "out")
    return (*((up, up) if model.gated_mlp else (up,)), Product(inner, model.hidden_size, "in"))


def product_seconds(
    product: Product,
    tokens: Amount,
    tensor: Amount,
    cluster: Cluster,
    number_bytes: float,
    tail: float = 1.0,
) -> Amount:
    """Return seconds of a product of `tokens` rows, cut over `tensor` processes.

    `number_bytes` is the width of one number; `tail` how much of a half-filled last wave counts.
    """
    inputs = product.inputs / tensor if product.split == "in" else product.inputs
    outputs = product.outputs / tensor if product.split == "out" else product.outputs
    rate = cluster.flops * cluster.achievable
    computing = (2.0 * tokens * inputs * outputs + tail * cluster.processors * TILE * inputs) / rate
    # One of the inputs stays in the cache of the device, so that only part of the traffic is seen.
    moving = number_bytes * (tokens * inputs + inputs * outputs + tokens * outputs)
    return computing + moving / (cluster.memory_bandwidth * MEMORY_REACHED)


def adapter_seconds(product: Product, tokens: Amount, setup: Setup, cluster: Cluster) -> Amount:
    """Return seconds of the forward pass of one LoRA adapter.

    Its rank is far too small to occupy a device, so that it costs what it moves: the layer's input is read;
    its own output is written, scaled, and added to the layer's (paddlenlp/peft/lora/lora_layers.py,
    LoRALinear.forward).
    """
    tensor = setup.tensor
    inputs = product.inputs / tensor if product.split == "in" else product.inputs
    outputs = product.outputs / tensor if product.split == "out" else product.outputs
    moved = setup.activation_bytes * tokens * (inputs + 6.0 * outputs + 2.0 * setup.lora_rank)
    return moved / (cluster.memory_bandwidth * MEMORY_REACHED)
