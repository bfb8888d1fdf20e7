"""Time that other toolkits spend and the planner's engines do not."""

from __future__ import annotations

from typing import Any

import numpy as np

from planner import weights
from planner.facts import ModelFacts
from planner.setup import FULL_RECOMPUTE, Real, Setup
from planner.speed.block import moving_forward
from planner.speed.cluster import Cluster
from planner.speed.products import MEMORY_REACHED, attention_products, mlp_products
from planner.speed.step import MOVING_BACKWARD

CAST_BYTES = 6
"""Bytes moved to cast one number between 16 bits and float32: read the one, write the other."""


def added_seconds(row: dict[str, Any], model: ModelFacts, setup: Setup, cluster: Cluster) -> Real:
    """Return seconds of one optimizer step that a row's toolkit adds."""
    if is_wide(row, setup):
        return wide_seconds(model, setup, cluster)
    return stacked_seconds(model, setup, cluster) if is_stacked(row, model, setup) else 0.0


def is_wide(row: dict[str, Any], setup: Setup) -> bool:
    """Return whether the residual stream is float32: peft's prepare_model_for_kbit_training, which
    fms-acceleration's `baseline` scenarios call; FSDP casts it back."""
    switches = str((row.get("extra") or {}).get("framework_config"))
    return "baseline" in switches and "bnb" in switches and setup.sharding != 3


def wide_seconds(model: ModelFacts, setup: Setup, cluster: Cluster) -> Real:
    """Return seconds of one optimizer step that a float32 residual stream adds: each 4-bit layer casts its
    input to 16 bits and its answer back (bitsandbytes nn/modules.py, Linear4bit.forward), and what lies
    between layers moves twice the bytes."""
    tokens = np.asarray(setup.micro_batch_tokens, dtype=np.float64)
    per_token = model.intermediate_size
    if model.experts is not None:
        per_token = model.experts.per_token * model.experts.intermediate_size
    products = (*attention_products(model), *mlp_products(model, per_token))
    numbers = sum(product.inputs + product.outputs for product in products)
    casts = CAST_BYTES * numbers * tokens / (cluster.memory_bandwidth * MEMORY_REACHED)
    passes = 1.0 + MOVING_BACKWARD + (np.asarray(setup.recompute) == FULL_RECOMPUTE)
    block = casts + moving_forward(model, setup, cluster, tokens)
    seconds: Real = setup.accumulation * passes * model.num_hidden_layers * block
    return seconds


def is_stacked(row: dict[str, Any], model: ModelFacts, setup: Setup) -> bool:
    """Return whether all experts lie in one tensor that a loop takes apart: transformers' GraniteMoe without
    fms-acceleration's kernels."""
    switches = str((row.get("extra") or {}).get("framework_config"))
    return model.model_type == "granitemoe" and switches == "none" and setup.trains_all


def stacked_seconds(model: ModelFacts, setup: Setup, cluster: Cluster) -> Real:
    """Return seconds of one optimizer step that such a loop adds: the gradient of one expert's part is a
    tensor as large as all experts, filled with zeros, and added to those of the others (torch autograd,
    select_backward): one write, and two reads and a write."""
    assert model.experts is not None
    moved = 4.0 * setup.number_bytes * weights.experts(model) * model.experts.count
    return np.asarray(setup.accumulation * moved / (cluster.memory_bandwidth * MEMORY_REACHED), np.float64)
