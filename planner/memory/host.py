"""Host memory of one node while a model is loaded and trained."""

from __future__ import annotations

import numpy as np

from planner.facts import ModelFacts
from planner.memory import states
from planner.memory.reserve import CPU_OVERHEAD
from planner.memory.stage import first
from planner.phrases import GIB
from planner.setup import Real, Setup, Whole

GPU_PROCESS = 3 * GIB
"""Host memory of a training process on a GPU: interpreter, libraries, pinned buffers, data. An estimate: the CPU
process holds 0.6 GB, CUDA's libraries map about two more."""

SHARD = 5 * GIB
"""Largest file of a checkpoint that is read at a time; upstream's default shard (transformers
modeling_utils.py, `max_shard_size` 5GB)."""


def host_bytes(model: ModelFacts, setup: Setup, per_node: Whole) -> Real:
    """Return bytes of host memory of a node with `per_node` processes.

    Each process reads one checkpoint file at a time and keeps its slice on the host until it is moved; states
    that are offloaded stay there.
    """
    here = first(model, setup)
    sliced = states.held_weights(model, setup, here) * min(4, setup.number_bytes)
    loading = sliced + np.minimum(SHARD, model.parameters * setup.number_bytes)
    states_bytes = 12.0 * states.sharded_weights(model, setup, here) * np.where(setup.offload, 1.0, 0.0)
    whole: Real = np.asarray(per_node) * (max(GPU_PROCESS, CPU_OVERHEAD) + np.maximum(loading, states_bytes))
    return whole
