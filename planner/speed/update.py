"""Seconds of what happens once per optimizer step: summing gradients over replicas and updating the
weights."""

from __future__ import annotations

import numpy as np

from planner.facts import ModelFacts
from planner.setup import Setup, trainable_parameters
from planner.speed.amounts import Amount
from planner.speed.cluster import Cluster
from planner.speed.links import all_reduce_seconds, pass_seconds, strides
from planner.speed.products import MEMORY_REACHED

ADAM_BYTES = 28
"""Bytes that AdamW moves per weight with float32 copies: two moments, the copy and the gradient in, the
moments, the copy and the 16-bit weight out."""

NORM_AND_CLIP_BYTES = 8
"""Bytes per weight to measure and clip the norm of the gradients."""

TENSOR_SECONDS = 60e-6
"""Host seconds per trained tensor: Paddle updates and clips tensor by tensor; an estimate."""

STEP_SECONDS = 10e-3
"""Host seconds of a step outside everything else: schedule, logging, callbacks; an estimate."""

OFFLOAD_BYTES = 24
"""Bytes per weight that offloading moves over PCIe in a step: 12 bytes of optimizer state in and out."""


def local_weights(model: ModelFacts, setup: Setup) -> Amount:
    """Return weights of one process before sharding; routed experts are split over expert parallelism as
    well."""
    experts, routed = model.experts, 0
    if experts is not None:
        per_expert = (3 if model.gated_mlp else 2) * model.hidden_size * experts.intermediate_size
        routed = model.expert_blocks * experts.count * per_expert
    return (model.parameters - routed + routed / np.asarray(setup.expert)) / (setup.tensor * setup.pipeline)


def trained_weights(model: ModelFacts, setup: Setup) -> Amount:
    """Return weights of one process that move, before sharding."""
    if setup.trains_all:
        return local_weights(model, setup)
    return trainable_parameters(model, setup) / (np.asarray(setup.tensor) * setup.pipeline)


def gradient_bytes(setup: Setup) -> int:
    """Return bytes of one gradient."""
    return 4 if setup.master_grad else setup.number_bytes


def update_terms(model: ModelFacts, setup: Setup, cluster: Cluster, computing: Amount) -> dict[str, Amount]:
    """Return seconds of one optimizer step by part; `computing` is one micro-batch."""
    trained = trained_weights(model, setup)
    degree, stage = np.maximum(1, setup.sharding_degree), np.asarray(setup.sharding)
    degree = np.where(stage > 0, degree, 1)
    own = trained / degree
    speed = cluster.memory_bandwidth * MEMORY_REACHED
    adding = np.maximum(0, setup.accumulation - 1) * 3.0 * gradient_bytes(setup) * trained / speed
    return {
        "sharding step": sharding_seconds(setup, cluster, trained, degree, stage),
        "data parallel": data_seconds(setup, cluster, trained, degree),
        "optimizer": own * (ADAM_BYTES + NORM_AND_CLIP_BYTES) / speed
        + adding
        + trained_tensors(model, setup) / degree * TENSOR_SECONDS
        + STEP_SECONDS,
        "offload": np.where(setup.offload, own * OFFLOAD_BYTES / max(1.0, cluster.host_link), 0.0),
    }


def sharding_seconds(
    setup: Setup, cluster: Cluster, trained: Amount, degree: Amount, stage: Amount
) -> Amount:
    """Return seconds of sharding once per step: stage 1 reduces the gradients, stages 1 and 2 hand out the
    new weights (arXiv:1910.02054, section 7)."""
    stride = strides(setup)["sharding"]
    reducing = pass_seconds(cluster, degree, stride, trained * gradient_bytes(setup))
    handing_out = pass_seconds(cluster, degree, stride, trained * setup.number_bytes)
    return np.where(stage == 1, reducing, 0.0) + np.where((stage == 1) | (stage == 2), handing_out, 0.0)


def data_seconds(setup: Setup, cluster: Cluster, trained: Amount, degree: Amount) -> Amount:
    """Return seconds of summing gradients over the replicas that sharding does not cover."""
    replicas = np.maximum(1, setup.replicas // degree)
    payload = trained / degree * gradient_bytes(setup)
    return all_reduce_seconds(cluster, replicas, strides(setup)["data"], payload)


def trained_tensors(model: ModelFacts, setup: Setup) -> Amount:
    """Return how many tensors of one process move."""
    if setup.trains_all:
        per_block = (
            12.0 if model.experts is None else 9.0 + 3.0 * model.experts.count / np.asarray(setup.expert)
        )
    else:
        per_block = 8.0 if setup.lora_target_modules == "attention" else 14.0
    return model.num_hidden_layers * per_block / setup.pipeline
