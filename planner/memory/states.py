"""Weights, their float32 copies, gradients and optimizer states: bytes of one process on one pipeline stage.

The algebra is that of mixed-precision Adam with ZeRO sharding (arXiv:1910.02054, section 3).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from planner import weights
from planner.facts import ModelFacts
from planner.memory.profile import DOUBLE_QUANT_BITS, QUANTISED_BITS, Profile
from planner.memory.stage import Stage
from planner.setup import Real, Setup

OPTIMIZER_BYTES = {"adamw": 8.0, "adamw_16bit_moment": 4.0, "adamw_mini": 4.0, "adamw_8bit": 2.0, "none": 0.0}
"""Bytes of optimizer states per trained weight: two float32 moments; two 16-bit moments; one float32 moment
beside one figure per block (arXiv:2406.16793); two 8-bit moments (arXiv:2110.02861)."""


def dense_weights(model: ModelFacts, setup: Setup, stage: Stage) -> Real:
    """Return how many of them are no routed experts. The first stage has the embedding, the last one the
    head; a tied head on a later stage is a second copy."""
    layers = model.num_hidden_layers + model.next_token_layers
    body = (weights.blocks(model) - weights.experts(model)) * stage.layers / layers
    matrix = weights.embedding(model)
    alone = np.logical_and(stage.embedding, stage.head)
    ends = np.where(
        alone, matrix + weights.head(model), np.where(np.logical_or(stage.embedding, stage.head), matrix, 0)
    )
    held: Real = (body + ends) / np.asarray(setup.tensor)
    return held


def expert_weights(model: ModelFacts, setup: Setup, stage: Stage) -> Real:
    """Return how many are routed experts, which are also spread over the expert-parallel processes."""
    layers = model.num_hidden_layers + model.next_token_layers
    routed = weights.experts(model) * stage.layers / layers
    held: Real = routed / (np.asarray(setup.tensor) * np.asarray(setup.expert))
    return held


def adapter_share(model: ModelFacts, setup: Setup, stage: Stage, profile: Profile) -> Real:
    """Return how many adapter weights a process holds before sharding; embedding and head count where they
    are trained beside."""
    share = np.minimum(1.0, stage.layers / model.num_hidden_layers)
    number: Real = weights.adapter_parameters(model, setup) * share / _adapter_split(setup)
    if not profile.trained_ends:
        return number
    return number + (weights.embedding(model) + weights.head(model)) / np.asarray(setup.tensor)


class Counts(NamedTuple):
    """How many weights one process has to do with."""

    held: Real
    """Base weights before sharding."""
    trained: Real
    """Trained weights before sharding."""
    shared: Real
    """Trained weights whose states it keeps."""


def counts(model: ModelFacts, setup: Setup, stage: Stage, profile: Profile) -> Counts:
    """Return the counts of one process on a stage."""
    dense, routed = dense_weights(model, setup, stage), expert_weights(model, setup, stage)
    held = dense + routed
    trained = held if setup.trains_all else adapter_share(model, setup, stage, profile)
    degree = np.where(np.asarray(setup.sharding) >= 1, np.maximum(1, setup.sharding_degree), 1)
    if not setup.trains_all:
        return Counts(held, trained, trained / degree)
    # Expert parallelism lies inside the sharding group: experts are spread by what it leaves of the degree.
    left = np.maximum(1.0, degree / np.asarray(setup.expert))
    shared: Real = dense / degree + routed / left
    if profile.whole_tensors:
        shared = np.maximum(shared, largest_tensor(model, setup, stage))
    return Counts(held, trained, shared)


def base_weights(model: ModelFacts, setup: Setup, number: Counts) -> Real:
    """Return bytes of the base weights: quantised linear layers in their bits, the rest in its format; stage3
    spreads them over the sharding group."""
    whole = number.held * stored_bytes(model, setup)
    spread: Real = whole / np.where(np.asarray(setup.sharding) == 3, setup.sharding_degree, 1)
    return spread


def stored_bytes(model: ModelFacts, setup: Setup) -> float:
    """Return the average bytes of one stored base weight; only linear layers of blocks are quantised."""
    plain = float(setup.number_bytes)
    if setup.weight_format == "none":
        return plain
    bits = DOUBLE_QUANT_BITS if setup.double_quant else QUANTISED_BITS[setup.weight_format]
    covered = weights.linears(model) / model.parameters
    return covered * bits / 8 + (1 - covered) * min(plain, 2.0)


def float8_copies(number: Counts, profile: Profile) -> Real:
    """Return bytes of 8-bit copies of the weights, where products run in 8 bits."""
    return number.held * profile.float8_copies


def reference_weights(model: ModelFacts, setup: Setup, number: Counts) -> Real:
    """Return bytes of the frozen reference model of preference learning: split by tensor and pipeline
    parallelism as the trained one, but never sharded (paddlenlp trl/dpo_trainer.py:200)."""
    return number.held * stored_bytes(model, setup) if setup.reference_model else 0.0


def adapter_weights(model: ModelFacts, setup: Setup, stage: Stage, number: Counts, profile: Profile) -> Real:
    """Return bytes of the adapters, VeRA's frozen projections included."""
    if setup.trains_all:
        return 0.0
    frozen = weights.frozen_adapter_parameters(model, setup)
    frozen_held = frozen * np.minimum(1.0, stage.layers / model.num_hidden_layers) / _adapter_split(setup)
    whole = (number.trained + frozen_held) * trained_bytes(setup, profile)
    spread: Real = whole / np.where(np.asarray(setup.sharding) == 3, setup.sharding_degree, 1)
    return spread


def trained_bytes(setup: Setup, profile: Profile) -> int:
    """Return bytes of one trained weight itself."""
    if setup.trains_all or profile.adapter_bytes is None:
        return setup.number_bytes
    return profile.adapter_bytes


def gradient_bytes(setup: Setup, profile: Profile) -> int:
    """Return bytes of one gradient: float32 under `amp_master_grad`, otherwise the weight's width."""
    return 4 if setup.master_grad else trained_bytes(setup, profile)


def gradients(model: ModelFacts, setup: Setup, number: Counts, profile: Profile) -> Real:
    """Return bytes of one gradient per trained weight; spread over the sharding group from stage2 on.

    Where each weight moves as soon as its gradient is there, only the embedding's (and a tied head's) is.
    """
    if profile.update_in_backward:
        matrices = 2 if model.tie_word_embeddings else 1
        return matrices * weights.embedding(model) * gradient_bytes(setup, profile) / np.asarray(setup.tensor)
    whole = np.asarray(setup.sharding) < 2
    if profile.accumulates_whole:
        whole = np.logical_or(whole, np.asarray(setup.accumulation) > 1)
    kept = np.where(whole, number.trained, number.shared)
    return kept * gradient_bytes(setup, profile)


def late_gradients(setup: Setup, number: Counts, profile: Profile) -> Real:
    """Return bytes of gradients that exist only at the end of the backward pass: those that stage2 then gives
    away."""
    if not profile.late_reduce:
        return 0.0
    late = np.where(np.asarray(setup.sharding) == 2, number.trained - number.shared, 0.0)
    return late * gradient_bytes(setup, profile)


def master_weights(setup: Setup, number: Counts, profile: Profile) -> Real:
    """Return bytes of the float32 copy of trained 16-bit weights; spread from stage1 on."""
    if trained_bytes(setup, profile) > 2 or not profile.master_weights:
        return 0.0
    return 4 * number.shared * _on_device(setup)


def optimizer(setup: Setup, number: Counts, profile: Profile) -> Real:
    """Return bytes of the optimizer's states; spread from stage1 on, in host memory under offload."""
    each = min(OPTIMIZER_BYTES[setup.optimizer], moment_bytes(setup, profile))
    return each * number.shared * _on_device(setup)


def moment_bytes(setup: Setup, profile: Profile) -> float:
    """Return bytes of Adam's moments per weight: float32 beside float32 weights or adapters of any kind."""
    return 8.0 if trained_bytes(setup, profile) == 4 else profile.moment_bytes


def step_copies(setup: Setup, number: Counts, profile: Profile) -> Real:
    """Return bytes of temporary copies that the optimizer step makes of what it updates."""
    return profile.step_copies * number.shared * gradient_bytes(setup, profile)


def largest_tensor(model: ModelFacts, setup: Setup, stage: Stage) -> Real:
    """Return the weights of the largest single tensor of a process: below it no share of whole tensors goes
    (Paddle's dygraph_sharding_optimizer.py deals out parameters); stage3 cuts tensors."""
    linear = max(shape.inputs * shape.outputs for shape in weights.all_shapes(model).values())
    end = np.logical_or(stage.embedding, stage.head)
    largest = np.where(end, max(linear, weights.embedding(model)), linear) / np.asarray(setup.tensor)
    number: Real = np.where(np.asarray(setup.sharding) == 3, 0.0, largest)
    return number


def _adapter_split(setup: Setup) -> Real:
    """Processes that split an adapter: tensor parallelism splits one of its two matrices."""
    number: Real = 2.0 / (1.0 + 1.0 / np.asarray(setup.tensor, dtype=np.float64))
    return number


def _on_device(setup: Setup) -> Real:
    number: Real = np.where(setup.offload, 0.0, 1.0)
    return number
