"""Forecast of training speed: seconds of one optimizer step by part, for one way of training or a whole grid.

`cluster` turns hardware into numbers, `terms` gives the parts, `step_seconds` their sum, `tokens_per_second`
the speed over all processes with padding included.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.facts import ModelFacts
from planner.setup import Real, Setup
from planner.speed.cluster import ASSUMED_PEAK, Cluster, cluster, peak_is_assumed
from planner.speed.cpu import cpu_terms, cpu_tokens_per_second
from planner.speed.step import gpu_terms

__all__ = [
    "ASSUMED_PEAK",
    "Cluster",
    "cluster",
    "cpu_tokens_per_second",
    "peak_is_assumed",
    "step_seconds",
    "terms",
    "tokens_per_second",
    "uncertainty",
]


def terms(model: ModelFacts, setup: Setup, cluster: Cluster) -> dict[str, Real]:
    """Return seconds of one optimizer step by part; plain numbers for one way, arrays for a grid."""
    parts = gpu_terms(model, setup, cluster) if cluster.on_gpu else cpu_terms(model, setup, cluster.cpu)
    return {name: _plain(seconds) for name, seconds in parts.items()}


def step_seconds(model: ModelFacts, setup: Setup, cluster: Cluster) -> Real:
    """Return seconds of one optimizer step."""
    seconds: Real = _plain(sum(terms(model, setup, cluster).values()))
    return seconds


def tokens_per_second(model: ModelFacts, setup: Setup, cluster: Cluster) -> Real:
    """Return training tokens per second over all processes, padding included."""
    tokens = setup.replicas * setup.accumulation * setup.micro_batch_tokens
    speed: Real = _plain(tokens / step_seconds(model, setup, cluster))
    return speed


def uncertainty(model: ModelFacts, cluster: Cluster) -> tuple[float, float]:
    """Return factors (low, high) on time: between them lie four of five measurements of the kind.

    `python -m bench.planner_speed` over 160 published speeds of devices in the catalogue: 0.84 and 1.21. What
    was measured less (several nodes, experts, other processors, unknown devices) gets more, by judgement.
    """
    if not cluster.on_gpu:
        return (0.85, 1.25) if "avx512f" in cluster.cpu.flags else (0.6, 1.7)
    if not cluster.known or not cluster.generation:
        return 0.6, 2.0
    low, high = 0.84, 1.21
    if cluster.nodes > 1:
        low, high = low * 0.93, high * 1.15
    if model.experts is not None:
        low, high = low * 0.9, high * 1.2
    return round(low, 2), round(high, 2)


def _plain(value: Any) -> Any:
    """Return a float for a single number and an array for a grid."""
    return float(value) if np.ndim(value) == 0 else np.asarray(value, dtype=np.float64)
