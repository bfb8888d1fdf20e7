"""A loss curve as few points as a terminal can show, without what cannot be drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from runtime.events import Metric

MOST_KEPT = 4000
"""Points of one curve in memory; no terminal shows as many."""


class Series(NamedTuple):
    """Points to draw, and the last step whose value is no number."""

    steps: list[float]
    values: list[float]
    broken: list[int]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.steps


class Curve:
    """One figure's curve, kept small while it grows: only new points are looked at.

    Each part of the curve keeps its lowest and its highest value in their order, so that a spike of one step
    is seen however long the training is.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._source: Sequence[Metric] = ()
        self._taken = 0
        self._points: list[tuple[int, float]] = []
        self._broken: list[int] = []

    def update(self, metrics: Sequence[Metric], most: int) -> Series:
        """Return the curve of these metrics in at most about `most` points."""
        if metrics is not self._source or len(metrics) < self._taken:
            self._source, self._taken, self._points, self._broken = metrics, 0, [], []
        for metric in islice(metrics, self._taken, None):
            value = metric.values.get(self._key)
            if value is not None and math.isfinite(value):
                self._points.append((metric.step, value))
            elif value is not None:
                self._broken.append(metric.step)
        self._taken = len(metrics)
        if len(self._points) > MOST_KEPT:
            self._points = thin(self._points, MOST_KEPT // 2)
        chosen = thin(self._points, most)
        return Series([float(step) for step, _ in chosen], [value for _, value in chosen], self._broken[-1:])


def series(metrics: Sequence[Metric], key: str, most: int) -> Series:
    """Return the curve of one figure in at most about `most` points."""
    return Curve(key).update(metrics, most)


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
