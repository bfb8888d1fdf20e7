"""A loss curve as few points as a terminal can show, without what cannot be drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from runtime.events import Metric


class Series(NamedTuple):
    """Points to draw, and the steps whose value is no number."""

    steps: list[float]
    values: list[float]
    broken: list[int]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.steps


def series(metrics: Sequence[Metric], key: str, most: int) -> Series:
    """Return the curve of one figure in at most about `most` points.

    Each part keeps its lowest and its highest value in their order, so that a spike of one step is seen
    however long the training is.
    """
    points = [(metric.step, metric.values[key]) for metric in metrics if key in metric.values]
    broken = [step for step, value in points if not math.isfinite(value)]
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    chosen = thin(finite, most)
    return Series([float(step) for step, _ in chosen], [value for _, value in chosen], broken)


def thin(points: list[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """Return at most `most` of the points, with first, last and the extremes of each part."""
    if len(points) <= max(most, 4):
        return points
    parts = max(most // 2 - 1, 1)
    inner = points[1:-1]
    chosen = [points[0]]
    for part in range(parts):
        piece = inner[part * len(inner) // parts : (part + 1) * len(inner) // parts]
        low, high = min(piece, key=_value), max(piece, key=_value)
        chosen += sorted({low, high})
    return [*chosen, points[-1]]


def _value(point: tuple[int, float]) -> float:
    return point[1]
