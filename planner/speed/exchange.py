"""Seconds of a micro-batch that processes spend exchanging activations and weights."""

from __future__ import annotations

import numpy as np

from planner.facts import ModelFacts
from planner.setup import FULL_RECOMPUTE, Setup
from planner.speed.amounts import Amount
from planner.speed.cluster import Cluster
from planner.speed.host import STATIC_SHARE
from planner.speed.links import (
    all_reduce_seconds,
    exchange_seconds,
    pass_seconds,
    strides,
)
from planner.speed.update import gradient_bytes, local_weights, trained_weights

REDUCE_TO_OWNER = 2.0
"""How much longer stage 2 takes to reduce each gradient to its owner, tensor after tensor, than one
reduce-scatter of all: 69 ms more per micro-batch than stage 1 for 7 GB (LLaMA-7B, TP2 x 4) and 106 ms for 13
GB (GPT3-13B), FlagPerf's llama1_7B-paddle and gpt3_6.7B-paddle, 3888 against 3650 and 1648 against 1518
tokens/s."""

UNIT_SECONDS = 0.3e-3
"""Seconds that stage 3 loses per sharded layer and pass, beyond the volume: memory, copies, synchronisation.
One GPU against two with FSDP in foundation-model-stack/fms-acceleration: 3 to 10 ms per block."""

OVERLAPPED = 0.6
"""Share of the gathering of stage 3 that hides behind computing, no more than the computing itself; an
estimate."""


def exchange_terms(
    model: ModelFacts, setup: Setup, cluster: Cluster, tokens: Amount, blocks: Amount, computing: Amount
) -> dict[str, Amount]:
    """Return seconds of one micro-batch by part."""
    return {
        "tensor parallel": tensor_seconds(model, setup, cluster, tokens, blocks),
        "context parallel": context_seconds(model, setup, cluster, tokens, blocks),
        "expert parallel": expert_seconds(model, setup, cluster, tokens, blocks),
        "sharding": gathering_seconds(model, setup, cluster, computing),
    }


def passes(setup: Setup) -> Amount:
    """Return how often the forward pass's exchanges happen: forward, backward, and once more when
    recomputed."""
    return 2.0 + (np.asarray(setup.recompute) == FULL_RECOMPUTE)


def tensor_seconds(
    model: ModelFacts, setup: Setup, cluster: Cluster, tokens: Amount, blocks: Amount
) -> Amount:
    """Return seconds of tensor parallelism: two all-reduces of the hidden states per block and pass
    (arXiv:1909.08053, section 3).

    Sequence parallelism replaces each by a reduce-scatter and an all-gather of the same volume, and gathers
    the inputs of two products again where weights need gradients (arXiv:2205.05198, section 4.2.2).
    """
    payload = tokens * model.hidden_size * setup.activation_bytes
    stride = strides(setup)["tensor"]
    reduce = all_reduce_seconds(cluster, setup.tensor, stride, payload)
    again = pass_seconds(cluster, setup.tensor, stride, payload)
    again = np.where(setup.sequence_parallel, again, 0.0) * (2.0 if setup.trains_all else 0.0)
    return blocks * (2.0 * passes(setup) * reduce + again)


def context_seconds(
    model: ModelFacts, setup: Setup, cluster: Cluster, tokens: Amount, blocks: Amount
) -> Amount:
    """Return seconds of segment parallelism: queries, keys, values and results change hands around attention
    (arXiv:2309.14509, section 3)."""
    width = 2 * model.num_attention_heads + 2 * model.num_key_value_heads
    payload = tokens * width * model.head_dim / setup.tensor * setup.activation_bytes
    return (
        blocks * passes(setup) * exchange_seconds(cluster, setup.context, strides(setup)["context"], payload)
    )


def expert_seconds(
    model: ModelFacts, setup: Setup, cluster: Cluster, tokens: Amount, blocks: Amount
) -> Amount:
    """Return seconds of expert parallelism: each token goes to its experts and back in every pass."""
    if model.experts is None:
        return 0.0
    share = model.expert_blocks / model.num_hidden_layers
    rows = tokens / np.where(setup.sequence_parallel, setup.tensor, 1)
    payload = rows * model.experts.per_token * model.hidden_size * setup.activation_bytes
    once = exchange_seconds(cluster, setup.expert, strides(setup)["expert"], payload)
    return blocks * share * passes(setup) * 2.0 * once


def gathering_seconds(model: ModelFacts, setup: Setup, cluster: Cluster, computing: Amount) -> Amount:
    """Return seconds per micro-batch of sharding: stage 3 gathers weights in every pass, stages 2 and 3
    reduce gradients in each backward pass (arXiv:1910.02054, section 7; paddle group_sharded_stage2.py
    reduces in the backward hooks)."""
    degree, stage = np.maximum(1, setup.sharding_degree), np.asarray(setup.sharding)
    stride = strides(setup)["sharding"]
    weights = local_weights(model, setup) * stored_bytes(setup)
    gathering = passes(setup) * pass_seconds(cluster, degree, stride, weights)
    gathering = gathering - np.minimum(OVERLAPPED * gathering, computing)
    units = (9.0 if setup.trains_all else 13.0) * model.num_hidden_layers / np.asarray(setup.pipeline)
    unit = UNIT_SECONDS * (STATIC_SHARE if setup.static_graph else 1.0)
    gathering = gathering + np.where(degree > 1, passes(setup) * units * unit, 0.0)
    gradients = trained_weights(model, setup) * gradient_bytes(setup)
    reducing = REDUCE_TO_OWNER * pass_seconds(cluster, degree, stride, gradients)
    return (
        np.where(stage >= 3, gathering, 0.0)
        + np.where(stage == 2, reducing, 0.0)
        + np.where(stage >= 3, 0.5 * reducing, 0.0)
    )


def stored_bytes(setup: Setup) -> float:
    """Return bytes of a weight as it is stored and gathered."""
    packed = {"none": float(setup.number_bytes), "weight_only_int8": 1.0}
    return packed.get(setup.weight_format, 0.55)
