"""Curves as inline SVG: nothing but lines and words, in the colours of the page that holds them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 24
TICKS = 5
"""About as many marks on each axis."""


class Curve(NamedTuple):
    """One curve of a figure."""

    name: str
    points: Points
    style: str = "line"
    """line, or points (joined thinly): for what is measured seldom."""


class Scale(NamedTuple):
    """From values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return where a value lies, in pixels."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, about: int = TICKS) -> list[float]:
    """Return round values between `low` and `high`: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def label(value: float) -> str:
    """Return a value for an axis, short: `0.002`, `2e-05`, `1,200`."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def chart(curves: Sequence[Curve], *, title: str, x_name: str, height: int = HEIGHT) -> str:
    """Return an SVG with a title for those who cannot see it; empty without two finite points."""
    finite = [curve._replace(points=_finite(curve.points)) for curve in curves]
    drawn = [curve for curve in finite if curve.points]
    values = [value for curve in drawn for _, value in curve.points]
    steps = [step for curve in drawn for step, _ in curve.points]
    if len(values) < 2 or min(steps) == max(steps):
        return ""
    low, high = min(values), max(values)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    x = Scale(min(steps), max(steps), LEFT, WIDTH - RIGHT)
    y = Scale(low - margin, high + margin, height - BOTTOM, TOP)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        *_axes(x, y, x_name, height),
    ]
    for number, curve in enumerate(drawn):
        parts += _draw(curve, f"c{number + 1}", x, y)
    return "".join([*parts, "</svg>"])


def _finite(points: Points) -> Points:
    return [(step, value) for step, value in points if math.isfinite(value) and math.isfinite(step)]


def _axes(x: Scale, y: Scale, x_name: str, height: int) -> list[str]:
    parts = []
    for value in ticks(y.low, y.high):
        place = f"{y(value):.1f}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place}" y2="{place}"/>')
        parts.append(_word(LEFT - 8, y(value) + 4, "end", label(value)))
    bottom = height - BOTTOM
    for value in ticks(x.low, x.high, 8):
        if value == int(value):
            parts.append(_word(x(value), bottom + 16, "middle", label(value)))
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(_word(LEFT - 8, bottom + 16, "end", x_name))
    return parts


def _word(left: float, top: float, anchor: str, text: str) -> str:
    return f'<text class="tick" x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _draw(curve: Curve, colour: str, x: Scale, y: Scale) -> list[str]:
    places = [(x(step), y(value)) for step, value in curve.points]
    path = "M" + "L".join(f"{left:.1f},{top:.1f}" for left, top in places)
    thin = " thin" if curve.style == "points" else ""
    parts = [f'<path class="{colour}{thin}" d="{path}"/>'] if len(places) > 1 else []
    if curve.style == "points" or len(places) == 1:
        for (left, top), (step, value) in zip(places, curve.points, strict=True):
            words = escape(f"{curve.name}, {step:g}: {value:.4g}")
            circle = f'<circle class="{colour}" cx="{left:.1f}" cy="{top:.1f}" r="4">'
            parts.append(f"{circle}<title>{words}</title></circle>")
    return parts
