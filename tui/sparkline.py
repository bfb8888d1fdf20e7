"""A curve in one line of text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """Return a curve of at most `width` characters: means of equal parts. NaN shows as `!`."""
    if not values or width < 1:
        return ""
    parts = min(width, len(values))
    edges = [round(index * len(values) / parts) for index in range(parts + 1)]
    means = [_mean(values[start:end]) for start, end in itertools.pairwise(edges)]
    finite = [mean for mean in means if math.isfinite(mean)]
    if not finite:
        return "!" * parts
    low, high = min(finite), max(finite)
    return "".join(_bar(mean, low, high) for mean in means)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _bar(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return "!"
    share = 0.5 if high == low else (value - low) / (high - low)
    return BARS[round(share * (len(BARS) - 1))]
