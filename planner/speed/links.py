"""Seconds of collectives over the real links.

Processes are laid out as PaddleNLP lays them out with `hybrid_parallel_topo_order` "pp_first" (its default,
paddlenlp/trainer/training_args.py:1216 and :1416): tensor parallel innermost, then segment or context
parallel, sharding, pipeline, and data parallel outermost.
"""

from __future__ import annotations

import numpy as np

from planner.setup import Setup
from planner.speed.amounts import Amount
from planner.speed.cluster import Cluster

LATENCY = 20e-6
"""Seconds to start a collective inside a node; nccl-tests on 8 A100 show about as much for small messages."""

NETWORK_LATENCY = 60e-6
"""The same between nodes; an estimate."""


def strides(setup: Setup) -> dict[str, Amount]:
    """Return for each kind of group the distance of neighbouring members in the order of processes."""
    sharding = np.where(np.asarray(setup.sharding) > 0, np.maximum(1, setup.sharding_degree), 1)
    inner = setup.tensor * setup.context
    return {
        "tensor": 1,
        "expert": 1,
        "context": setup.tensor,
        "sharding": inner,
        "pipeline": inner * sharding,
        "data": inner * sharding * setup.pipeline,
    }


def bandwidth(cluster: Cluster, members: Amount, stride: Amount) -> Amount:
    """Return bytes/s that each member of a group sends: inside a node the link; across nodes no more than its
    node's network cards carry for the members there, all groups sending at once."""
    here = np.clip(cluster.per_node // np.maximum(1, stride), 1, np.maximum(1, members))
    return np.where(
        members * stride <= cluster.per_node, cluster.link, np.minimum(cluster.link, here * cluster.network)
    )


def latency(cluster: Cluster, members: Amount, stride: Amount) -> Amount:
    """Return seconds until a collective of this group starts; 0 for a group of one."""
    start = np.where(members * stride <= cluster.per_node, LATENCY, NETWORK_LATENCY)
    return np.where(members > 1, start, 0.0)


def pass_seconds(cluster: Cluster, members: Amount, stride: Amount, payload: Amount) -> Amount:
    """Return seconds of an all-gather or a reduce-scatter of `payload` bytes in total: a ring sends (n-1)/n
    of it."""
    sent = (members - 1) / np.maximum(1, members) * payload
    return sent / bandwidth(cluster, members, stride) + latency(cluster, members, stride)


def all_reduce_seconds(cluster: Cluster, members: Amount, stride: Amount, payload: Amount) -> Amount:
    """Return seconds of an all-reduce: a reduce-scatter and an all-gather."""
    return 2.0 * pass_seconds(cluster, members, stride, payload)


def exchange_seconds(cluster: Cluster, members: Amount, stride: Amount, payload: Amount) -> Amount:
    """Return seconds of an all-to-all in which every member sends `payload` bytes, evenly to all.

    What leaves the node passes its network cards at each device's share of them; nothing is relayed.
    """
    here = np.clip(cluster.per_node // np.maximum(1, stride), 1, np.maximum(1, members))
    inside = (here - 1) / np.maximum(1, members) * payload / cluster.link
    outside = (members - here) / np.maximum(1, members) * payload / cluster.network
    return np.maximum(inside, outside) + latency(cluster, members, stride)


def send_seconds(cluster: Cluster, members: Amount, stride: Amount, payload: Amount) -> Amount:
    """Return seconds of handing `payload` bytes to the next member of a chain."""
    crossing = members * stride > cluster.per_node
    speed = np.where(crossing, cluster.network, cluster.link)
    return np.where(members > 1, payload / speed + latency(cluster, members, stride), 0.0)
