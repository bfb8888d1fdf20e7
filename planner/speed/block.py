"""Seconds of one transformer block's forward pass on one process, by part.

All functions take `tokens`, the tokens of one micro-batch on this process (padding included, after context
parallelism), and are vectorised over the ways in `setup`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from planner.facts import ModelFacts
from planner.setup import Setup
from planner.speed.amounts import Amount
from planner.speed.cluster import Cluster
from planner.speed.products import (
    MEMORY_REACHED,
    Product,
    adapter_seconds,
    attention_products,
    mlp_products,
    product_seconds,
)

FLASH_REACHED = {"8.0": 0.55, "9.0": 0.38, "10.0": 0.30, "8.9": 0.60, "8.6": 0.55}
"""Share of the dense peak that causal FlashAttention-2 reaches on long sequences with heads of 128:
arXiv:2307.08691, section 4.1 (A100: up to 73 % forward, 63 % backward without, and less with a causal mask;
H100 335 TFLOP/s); the others are estimates."""

FLASH_BACKWARD = 2.5
"""Backward of FlashAttention in units of its forward: five products against two (arXiv:2205.14135, section
3)."""

FLASH_FILL = 512
"""Tokens of a row at which FlashAttention has half of its speed; an estimate."""

DENSE_REACHED = 0.5
"""Share of the achievable rate that the batched products of unfused attention reach; an estimate."""

DENSE_SCORE_BYTES = {2: 16, 4: 20}
"""Bytes moved per score in the forward pass of unfused attention, by bytes of an activation: written, masked,
normalised (in float32), read. Counted from PaddleNLP's scaled_dot_product_attention and its fused softmax
with a mask; between the two."""

NORM_BYTES = {2: 36, 4: 28}
"""Bytes moved per element of one RMSNorm made of separate operations, casts to float32 included; a fused one
reads and writes once."""

ROPE_VALUES = {True: 2, False: 10}
"""Values read and written per element of queries and keys by the rotary embedding, fused or not."""

RESIDUAL_VALUES = 3
GATE_VALUES = 4
"""SiLU and product, per element of the inner width."""

COPY_VALUES = 4
"""Transposes and reshapes around attention, per element of the queries."""

DROPOUT_VALUES = 6


GROUPED_TAIL = 0.25
"""Share of a product's tail that each expert keeps: toolkits differ between one kernel after the other and
one for all."""


class BlockSeconds(NamedTuple):
    """Forward seconds of one block, averaged over dense and expert blocks."""

    products: Amount
    expert_products: Amount
    attention: Amount
    moving: Amount
    adapters: Amount

    @property
    def total(self) -> Amount:
        """Seconds of all parts."""
        return sum(self[1:], self[0])


def block_forward(model: ModelFacts, setup: Setup, cluster: Cluster, tokens: Amount) -> BlockSeconds:
    """Return the forward seconds of an average block."""
    width = setup.activation_bytes
    dense_share = 1.0 - model.expert_blocks / model.num_hidden_layers
    projections = attention_products(model)
    dense = mlp_products(model, model.intermediate_size)

    def seconds(
        products: tuple[Product, ...], rows: Amount = tokens, tensor: Amount = setup.tensor
    ) -> Amount:
        return sum((product_seconds(p, rows, tensor, cluster, width) for p in products), 0.0)

    expert, adapted_mlp = 0.0, dense
    if model.experts is not None:
        expert = (1.0 - dense_share) * expert_seconds(model, setup, cluster, tokens)
        shared = model.experts.shared_intermediate_size
        if shared:
            expert = expert + (1.0 - dense_share) * seconds(mlp_products(model, shared))
    return BlockSeconds(
        products=seconds(projections) + dense_share * seconds(dense),
        expert_products=expert,
        attention=attention_forward(model, setup, cluster, tokens),
        moving=moving_forward(model, setup, cluster, tokens),
        adapters=adapters_forward(setup, cluster, tokens, projections, adapted_mlp),
    )


def expert_seconds(model: ModelFacts, setup: Setup, cluster: Cluster, tokens: Amount) -> Amount:
    """Return seconds of the routed experts of one block: each process has a share of them, and each sees its
    share of the tokens of its expert-parallel group."""
    experts = model.experts
    assert experts is not None
    here = np.maximum(1, experts.count // np.asarray(setup.expert))
    rows = tokens * experts.per_token * setup.expert / experts.count
    per_expert = sum(
        product_seconds(p, rows, setup.tensor, cluster, setup.activation_bytes, GROUPED_TAIL)
        for p in mlp_products(model, experts.intermediate_size)
    )
    # Gathering and scattering the rows of each expert moves them twice.
    moved = 4.0 * setup.activation_bytes * tokens * experts.per_token * model.hidden_size
    return here * per_expert + moved / (cluster.memory_bandwidth * MEMORY_REACHED)


def attention_forward(model: ModelFacts, setup: Setup, cluster: Cluster, tokens: Amount) -> Amount:
    """Return seconds of the scores, the softmax and their product with the values, of one block."""
    heads = model.num_attention_heads / setup.tensor
    operations = 4.0 * tokens * setup.sequence_length * heads * head_width(model)
    if setup.attention != "dense":
        reached = FLASH_REACHED.get(cluster.generation, 0.5 * cluster.achievable)
        reached *= setup.sequence_length / (setup.sequence_length + FLASH_FILL)
        reached *= 1.0 if head_width(model) > 64 else 0.8
        return operations / 2.0 / (cluster.flops * reached)
    computing = operations / (cluster.flops * cluster.achievable * DENSE_REACHED)
    scores = tokens * setup.sequence_length * heads
    bytes_moved = DENSE_SCORE_BYTES[setup.activation_bytes] * scores
    return computing + bytes_moved / (cluster.memory_bandwidth * MEMORY_REACHED)


def attention_backward(setup: Setup) -> float:
    """Return the backward pass of attention in units of its forward pass."""
    return 2.0 if setup.attention == "dense" else FLASH_BACKWARD


def head_width(model: ModelFacts) -> float:
    """Return the mean width of a query/key and a value head."""
    latent = model.latent_attention
    if latent is None:
        return model.head_dim
    return (latent.qk_nope_head_dim + latent.qk_rope_head_dim + latent.v_head_dim) / 2


def moving_forward(model: ModelFacts, setup: Setup, cluster: Cluster, tokens: Amount) -> Amount:
    """Return seconds of what only moves memory in one block: norms, residuals, rotary embedding,
    activation."""
    hidden, tensor, width = model.hidden_size, setup.tensor, setup.activation_bytes
    norm = 2 * width if setup.fused_norm or model.norm == "layer" else NORM_BYTES[width]
    values = 2 * RESIDUAL_VALUES + (DROPOUT_VALUES if model.dropout else 0)
    # Without sequence parallelism every tensor-parallel process norms all tokens.
    whole_rows = (2 * norm + values * width) * hidden / np.where(setup.sequence_parallel, tensor, 1)
    queries = model.num_attention_heads * head_width(model)
    keys = model.num_key_value_heads * head_width(model)
    rope = ROPE_VALUES[setup.fused_rope] if model.position == "rotary" else 0
    inner: float = model.intermediate_size
    if model.experts is not None:
        routed = model.experts.per_token * model.experts.intermediate_size
        share = model.expert_blocks / model.num_hidden_layers
        inner = share * (routed + model.experts.shared_intermediate_size) + (1 - share) * inner
    cut = (rope * (queries + keys) + COPY_VALUES * queries + GATE_VALUES * inner) * width / tensor
    return tokens * (whole_rows + cut) / (cluster.memory_bandwidth * MEMORY_REACHED)


def adapters_forward(
    setup: Setup,
    cluster: Cluster,
    tokens: Amount,
    projections: tuple[Product, ...],
    mlp: tuple[Product, ...],
) -> Amount:
    """Return seconds of the adapters of one block; 0 where every weight is trained."""
    if setup.trains_all or setup.method in ("prefix_tuning", "reft"):
        return 0.0
    adapted = projections if setup.lora_target_modules == "attention" else (*projections, *mlp)
    return sum((adapter_seconds(p, tokens, setup, cluster) for p in adapted), 0.0)
