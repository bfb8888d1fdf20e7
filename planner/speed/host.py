"""Seconds that Python and the driver need to start what a device runs: the floor under small models."""

from __future__ import annotations

import numpy as np

from planner.facts import ModelFacts
from planner.setup import FULL_RECOMPUTE, Setup
from planner.speed.amounts import Amount

OPERATION = 12e-6
"""Seconds of one dynamic-graph operation on the host, its kernel launch included; an estimate."""

BLOCK_OPERATIONS = 28
NORM_OPERATIONS = 12
ROPE_OPERATIONS = 12
DENSE_OPERATIONS = 8
ADAPTER_OPERATIONS = 5
TENSOR_OPERATIONS = 4
EXPERT_OPERATIONS = 5
"""Operations of one block's forward pass, and what comes on top: unfused norms, unfused rotary embedding,
unfused attention, one adapter, tensor parallelism, one expert. Counted in
paddlenlp/transformers/llama/modeling.py and qwen2_moe/modeling.py."""

STATIC_SHARE = 0.2
"""Share of that time which the executor of a static graph needs; an estimate."""

MICRO_BATCH = 3e-3
"""Seconds of a micro-batch outside the blocks: data, loss, the trainer's loop; an estimate."""


def host_seconds(model: ModelFacts, setup: Setup, blocks: Amount) -> Amount:
    """Return host seconds of one micro-batch with `blocks` blocks."""
    operations: Amount = BLOCK_OPERATIONS + TENSOR_OPERATIONS * (np.asarray(setup.tensor) > 1)
    operations = operations + (0 if setup.fused_norm or model.norm == "layer" else NORM_OPERATIONS)
    operations = operations + (0 if setup.fused_rope or model.position != "rotary" else ROPE_OPERATIONS)
    operations = operations + (DENSE_OPERATIONS if setup.attention == "dense" else 0)
    if not setup.trains_all and setup.method not in ("prefix_tuning", "reft"):
        adapted = 4 if setup.lora_target_modules == "attention" else 7
        operations = operations + ADAPTER_OPERATIONS * adapted
    if model.experts is not None:
        share = model.expert_blocks / model.num_hidden_layers
        operations = operations + share * EXPERT_OPERATIONS * model.experts.count / np.asarray(setup.expert)
    # The backward pass starts about as many operations, from C++.
    passes = 1.7 + (np.asarray(setup.recompute) == FULL_RECOMPUTE)
    each = OPERATION * (STATIC_SHARE if setup.static_graph else 1.0)
    return MICRO_BATCH + blocks * operations * passes * each
