"""What a process holds besides its tensors: gathered weights, collectives, the allocator's gaps, the
context."""

from __future__ import annotations

import numpy as np

from planner import weights
from planner.facts import ModelFacts
from planner.memory.activations import tokens
from planner.memory.profile import Profile
from planner.memory.states import stored_bytes
from planner.phrases import MIB
from planner.setup import Real, Setup

CPU_OVERHEAD = 600 * MIB
"""Interpreter and libraries on the CPU. Measured: 606 MB resident while training a tiny model."""

CPU_ALLOCATOR = 0.20
"""Share of the tensors that a CPU process holds in addition; fits the demo's measured 2.13 GB per process."""


def gathered(model: ModelFacts, setup: Setup, profile: Profile) -> Real:
    """Return bytes of weights that stage3 brings together while it computes: one block, embedding and head
    (arXiv:2304.11277, section 4.2)."""
    if profile.gathers == "none":
        return 0.0
    each = stored_bytes(model, setup)
    ends = (weights.embedding(model) + weights.head(model)) * (each if setup.weight_format == "none" else 2.0)
    block = weights.per_block(model) * each
    at_once = block + ends if profile.gathers == "block" else each * min(1e9, model.parameters)
    held: Real = np.where(np.asarray(setup.sharding) == 3, at_once / np.asarray(setup.tensor), 0.0)
    return held


def pipeline_buffers(model: ModelFacts, setup: Setup) -> Real:
    """Return bytes of a stage's sent and received activations and their gradients: four of them."""
    one = tokens(setup) * model.hidden_size * setup.activation_bytes
    buffers: Real = np.where(np.asarray(setup.pipeline) > 1, 4.0 * one, 0.0)
    return buffers


def collectives(setup: Setup, profile: Profile) -> Real:
    """Return bytes that communication libraries hold: a set of buffers for every group a process belongs
    to; a pipeline has one for the group and one for each neighbour."""
    groups = (
        (np.asarray(setup.tensor) > 1) * 1.0
        + 3.0 * (np.asarray(setup.pipeline) > 1)
        + (np.asarray(setup.replicas) > 1)
        + (np.asarray(setup.context) > 1)
        + (np.asarray(setup.expert) > 1)
    )
    held: Real = (
        np.where(np.asarray(setup.processes) > 1, np.maximum(1.0, groups), 0.0) * profile.communication
    )
    return held
