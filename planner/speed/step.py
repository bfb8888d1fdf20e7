"""Seconds of one optimizer step on accelerators, by part.

One micro-batch passes its blocks forward and backward; a pipeline hands it on; gradients are summed; the
optimizer updates. What devices do at the same time as something else is not counted twice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from planner.facts import ModelFacts
from planner.setup import CORE_ATTENTION, FULL_ATTENTION, FULL_RECOMPUTE, NO_RECOMPUTE, Setup
from planner.speed.amounts import Amount
from planner.speed.block import BlockSeconds, attention_backward, block_forward
from planner.speed.cluster import Cluster
from planner.speed.exchange import exchange_terms
from planner.speed.host import host_seconds
from planner.speed.links import send_seconds, strides
from planner.speed.products import MEMORY_REACHED, Product, attention_products, product_seconds
from planner.speed.update import local_weights, update_terms

LOSS_BYTES = {True: 14, False: 30}
"""Bytes moved per logit, forward and backward, with a fused linear cross-entropy or with float32 logits
(written, cast, exponentiated, differentiated, cast back)."""

MOVING_BACKWARD = 2.0
"""Backward of norms, activations and copies in units of their forward: they read the gradient besides the
input."""


class Passes(NamedTuple):
    """Seconds of one micro-batch on one process, averaged over the pipeline's stages; `blocks` is a stage's
    share."""

    forward: BlockSeconds
    blocks: Amount
    head: Amount
    moving_head: Amount


def gpu_terms(model: ModelFacts, setup: Setup, cluster: Cluster) -> dict[str, Amount]:
    """Return seconds of one optimizer step by part."""
    tokens = setup.micro_batch_tokens / np.asarray(setup.context)
    passes = micro_batch(model, setup, cluster, tokens)
    block, blocks = passes.forward, passes.blocks
    times = setup.accumulation * 1.0
    backward = 2.0 if setup.trains_all else 1.0
    extra = reference_passes(setup)
    parts: dict[str, Amount] = {
        "matrix products": blocks * (block.products + block.expert_products) * (1 + backward + extra)
        + passes.head * (1 + backward + extra),
        "attention": blocks * block.attention * (1 + attention_backward(setup) + extra),
        "memory traffic": blocks * block.moving * (1 + MOVING_BACKWARD + extra)
        + passes.moving_head * (1 + 0.5 * extra),
        "adapters": blocks * block.adapters * (1 + MOVING_BACKWARD),
        "recompute": blocks * recomputed(model, setup, cluster, tokens, block),
        "dequantisation": dequantisation(model, setup, cluster),
        "casts": casts(model, setup, cluster),
    }
    computing = sum(parts.values())
    parts["launch"] = np.maximum(0.0, host_seconds(model, setup, blocks) - computing)
    parts |= exchange_terms(model, setup, cluster, tokens, blocks, computing)
    busy = sum(parts.values())
    parts = {name: times * seconds for name, seconds in parts.items()}
    parts["pipeline"] = pipeline_seconds(model, setup, cluster, tokens, passes, busy)
    return parts | update_terms(model, setup, cluster, busy)


def micro_batch(model: ModelFacts, setup: Setup, cluster: Cluster, tokens: Amount) -> Passes:
    """Return what one micro-batch costs an average pipeline stage."""
    pipeline = np.asarray(setup.pipeline)
    head = Product(model.hidden_size, model.vocab_size, "out")
    seconds = product_seconds(head, tokens, setup.tensor, cluster, setup.activation_bytes)
    moved = LOSS_BYTES[setup.fused_loss] * tokens * model.vocab_size / setup.tensor
    return Passes(
        forward=block_forward(model, setup, cluster, tokens),
        blocks=(model.num_hidden_layers + model.next_token_layers) / pipeline,
        head=seconds / pipeline,
        moving_head=moved / (cluster.memory_bandwidth * MEMORY_REACHED) / pipeline,
    )


def reference_passes(setup: Setup) -> float:
    """Return forward passes besides the trained one: preference training asks a frozen model, or the trained
    one without its adapters."""
    frozen_base = setup.stage in ("dpo", "kto") and not setup.trains_all
    return 1.0 if setup.reference_model or frozen_base else 0.0


def recomputed(
    model: ModelFacts, setup: Setup, cluster: Cluster, tokens: Amount, block: BlockSeconds
) -> Amount:
    """Return seconds of what the backward pass computes a second time in one block."""
    projections = sum(
        product_seconds(p, tokens, setup.tensor, cluster, setup.activation_bytes)
        for p in attention_products(model)
    )
    mode = np.asarray(setup.recompute)
    return np.select(
        [mode == NO_RECOMPUTE, mode == CORE_ATTENTION, mode == FULL_ATTENTION, mode == FULL_RECOMPUTE],
        [0.0 * block.total, block.attention, block.attention + projections, block.total],
    )


DEQUANTISED_BYTES = {"nf4": 9.0, "fp4": 9.0, "weight_only_int8": 3.0, "weight_only_int4": 2.5}
"""Bytes moved to make one quantised weight usable in one pass. Blockwise formats look up codes and scales and
reach a third of the memory bandwidth; an estimate from the operations of bitsandbytes' and PaddleNLP's
kernels."""


def dequantisation(model: ModelFacts, setup: Setup, cluster: Cluster) -> Amount:
    """Return seconds per micro-batch that quantised weights cost: forward, backward and recompute unpack them
    anew."""
    if setup.weight_format == "none":
        return 0.0
    passes = 2.0 + (np.asarray(setup.recompute) == FULL_RECOMPUTE)
    moved = DEQUANTISED_BYTES.get(setup.weight_format, 3.0) * local_weights(model, setup)
    return passes * moved / (cluster.memory_bandwidth * MEMORY_REACHED)


def casts(model: ModelFacts, setup: Setup, cluster: Cluster) -> Amount:
    """Return seconds per micro-batch that O1 spends on casting float32 weights for every operation."""
    if setup.precision == "fp32" or setup.opt_level != "O1" or setup.weight_format != "none":
        return 0.0
    passes = 1.0 + (np.asarray(setup.recompute) == FULL_RECOMPUTE) + (1.0 if setup.trains_all else 0.0)
    return passes * 6.0 * local_weights(model, setup) / (cluster.memory_bandwidth * MEMORY_REACHED)


def pipeline_seconds(
    model: ModelFacts, setup: Setup, cluster: Cluster, tokens: Amount, passes: Passes, busy: Amount
) -> Amount:
    """Return seconds that the stages wait for each other: the slowest stage sets the pace, (stages - 1) /
    virtual micro-batches fill and drain the pipeline (arXiv:2104.04473, section 2.2), and activations
    travel."""
    stages, chunks = np.asarray(setup.pipeline), np.asarray(setup.virtual)
    blocks = model.num_hidden_layers / stages
    most = np.ceil(model.num_hidden_layers / (stages * chunks)) * chunks
    head = passes.head * (3.0 if setup.trains_all else 2.0) + passes.moving_head
    per_block = np.maximum(0.0, busy - head) / np.maximum(1e-9, blocks)
    slowest = (most - blocks) * per_block + (stages - 1) * head
    waiting = (stages - 1) / chunks * (busy + 0.5 * slowest)
    payload = tokens * model.hidden_size * setup.activation_bytes
    payload = payload / np.where(setup.sequence_parallel, setup.tensor, 1)
    hop = send_seconds(cluster, stages, strides(setup)["pipeline"], payload)
    return np.where(
        stages > 1,
        setup.accumulation * (slowest + 2.0 * chunks * hop) + waiting + 2.0 * (stages - 1) * hop,
        0.0,
    )
