"""Host memory of one node while a model is loaded and trained."""

from __future__ import annotations

import numpy as np

from planner.facts import ModelFacts
from planner.memory import states
from planner.memory.profile import PADDLENLP, Profile
from planner.memory.stage import first
from planner.phrases import GIB
from planner.setup import Real, Setup, Whole

GPU_PROCESS = 3 * GIB
"""Host memory of a training process on a GPU: interpreter, libraries, pinned buffers, data. An estimate: the
CPU process holds 0.6 GB, CUDA's libraries map about two more."""

SHARD = 5 * GIB
"""Largest file of a checkpoint that is read at a time: upstream's default (transformers modeling_utils.py,
`max_shard_size` 5GB)."""

OFFLOADED_BYTES = 12.0
"""Bytes per trained weight that optimizer offload keeps on the host: float32 copy and two moments
(arXiv:1910.02054, section 3)."""


def host_bytes(model: ModelFacts, setup: Setup, per_node: Whole, profile: Profile = PADDLENLP) -> Real:
    """Return bytes of host memory of a node with `per_node` processes on devices.

    Each process reads one checkpoint file at a time and keeps its slice on the host until it is moved; states
    that are offloaded stay there.
    """
    here = first(model, setup)
    number = states.counts(model, setup, here, profile)
    slice_bytes = number.held * setup.number_bytes
    loading = slice_bytes + min(SHARD, model.parameters * setup.number_bytes)
    offloaded = np.where(setup.offload, OFFLOADED_BYTES, 0.0) * number.shared
    whole: Real = np.asarray(per_node) * (GPU_PROCESS + np.maximum(loading, offloaded))
    return whole
