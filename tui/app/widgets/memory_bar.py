"""Peak memory of one process against its device: one stacked bar, and a legend part by part."""

from __future__ import annotations

from typing import NamedTuple

from rich.cells import cell_len
from textual.content import Content

from planner.language import say
from planner.phrases import size
from planner.plan import Plan

FILLS = "█▓▒░"
COLOURS = ("$primary", "$secondary", "$success", "$accent", "$error")
"""Neighbours differ in colour and in fill, so that the bar reads without colours too."""

LIMIT = "┃"


class Part(NamedTuple):
    """One part of the memory: its word, bytes, and how it is drawn."""

    name: str
    bytes: int
    fill: str
    style: str


def parts(plan: Plan) -> list[Part]:
    """Return the parts that take memory, the largest first."""
    from tui.forecast_view import PARTS, said

    taken = [(name, part.bytes) for name, part in plan.forecast.memory_parts.items() if part.bytes]
    taken.sort(key=lambda one: -one[1])
    return [
        Part(said(PARTS, name), amount, FILLS[index % len(FILLS)], COLOURS[index % len(COLOURS)])
        for index, (name, amount) in enumerate(taken)
    ]


def cells(amounts: list[int], whole: float, width: int) -> list[int]:
    """Return how many cells each amount gets of `width`: rounded so that their sum is right to a cell."""
    reached, drawn, shares = 0.0, 0, []
    for amount in amounts:
        reached += amount
        upto = min(width, round(reached / whole * width))
        shares.append(max(0, upto - drawn))
        drawn = max(drawn, upto)
    return shares


def bar(plan: Plan, width: int) -> Content:
    """Return the bar in `width` cells, with a mark where the memory that may be used ends."""
    from tui.plan_figures import usable_bytes

    shown = parts(plan)
    whole = max(plan.forecast.memory_limit_bytes, plan.forecast.peak_memory_bytes, 1)
    pieces = [
        Content.styled(part.fill * count, part.style)
        for part, count in zip(shown, cells([part.bytes for part in shown], whole, width), strict=True)
    ]
    used = sum(len(piece) for piece in pieces)
    free = "·" * (width - used)
    border = min(width - 1, int(usable_bytes(plan) / whole * width))
    line = Content("").join([*pieces, Content.styled(free, "$faint")])
    if used > border:
        return line
    return Content("").join([line[:border], Content.styled(LIMIT, "bold"), line[border + 1 :]])


def headline(plan: Plan) -> Content:
    """Return how much is needed of how much, and whether that fits, in words."""
    from tui.plan_figures import share_used, usable_bytes

    ahead = plan.forecast
    fits = ahead.peak_memory_bytes <= ahead.memory_limit_bytes
    words = say("{share:.0%} of what may be used", share=share_used(plan)) if fits else say("does not fit")
    return Content.assemble(
        (size(ahead.peak_memory_bytes), "bold"),
        (f" / {size(usable_bytes(plan))}  ", ""),
        (f"{'✓' if fits else '✗'} {words}", "$text-success" if fits else "$text-error"),
    )


def legend(plan: Plan, width: int, most: int = 5) -> list[Content]:
    """Return the largest parts, one line each; the rest of them together."""
    shown = parts(plan)
    lines = [(f"{part.fill}{part.fill}", part.style, part.name, part.bytes) for part in shown[:most]]
    rest = sum(part.bytes for part in shown[most:])
    if rest:
        lines.append(("··", "$faint", say("other"), rest))
    found = []
    for fill, style, name, amount in lines:
        figure = size(amount)
        gap = " " * max(1, width - 3 - cell_len(name) - cell_len(figure))
        found.append(Content.assemble((f"{fill} ", style), name, gap, (figure, "bold")))
    return found
