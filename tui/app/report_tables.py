"""What a report says, as tables for the terminal: forecast and measurement, answers, proofs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from planner.language import say
from runtime.stages.report_html import ONE, WIDEST_RATIO, comparison, tiles
from runtime.stages.report_page import figures

Ink = Callable[[str], Style]
"""Meaning of a colour -> its style in the theme of the moment."""

BAR_CELLS = 20


def tile_grid(report: dict[str, Any], ink: Ink, columns: int) -> RenderableType:
    """Return the few figures that a reader wants first, side by side."""
    grid = Table.grid(padding=(0, 2), expand=True)
    cells: list[RenderableType] = []
    for name, value, before in tiles(report):
        cells.append(
            Text.assemble(
                (f"{name}\n", ink("text-muted")), (value, "bold"), (f"\n{before}", ink("text-muted"))
            )
        )
    width = max(min(columns, len(cells)), 1)
    for _ in range(width):
        grid.add_column(ratio=1)
    for start in range(0, len(cells), width):
        grid.add_row(*cells[start : start + width])
    return grid


def comparison_table(report: dict[str, Any], ink: Ink, *, bars: bool) -> RenderableType:
    """Return forecast beside measurement; a bar shows the ratio, its mark is at 1."""
    rows = [comparison(row) for row in report["comparisons"]]
    if not rows:
        return Text(say("Nothing was measured yet."), ink("text-muted"))
    table = Table(box=None, padding=(0, 1), expand=True, header_style=ink("text-muted"), pad_edge=False)
    table.add_column("", ratio=1, overflow="fold")
    for name in (say("planned"), say("measured"), say("ratio")):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, width=1)
    if bars:
        table.add_column("", no_wrap=True, width=BAR_CELLS)
    for row in rows:
        off = (
            Text("≠", ink("text-warning"))
            if row["off"]
            else Text("≈" if row["bar"] else "", ink("text-success"))
        )
        cells = [
            Text(row["what"]),
            Text(row["planned"]),
            Text(row["measured"], "bold"),
            Text(row["ratio"]),
            off,
        ]
        if bars:
            cells.append(bar(row["bar"], ink("text-warning" if row["off"] else "primary"), ink("text-muted")))
        table.add_row(*cells)
    return table


def bar(percent: float | None, style: Style, faint: Style) -> Text:
    """Return a bar of `BAR_CELLS` cells with a mark where the ratio is 1."""
    if percent is None:
        return Text()
    halves = round(percent / 100 * BAR_CELLS * 2)
    mark = round(ONE / 100 * BAR_CELLS)
    line = Text()
    for cell in range(BAR_CELLS):
        filled = max(0, min(2, halves - cell * 2))
        if cell == mark:
            line.append("┿" if filled else "┼", style if filled else faint)
        else:
            line.append("─╾━"[filled], style if filled else faint)
    return line


def answers(report: dict[str, Any], ink: Ink, *, side_by_side: bool) -> RenderableType:
    """Return the same prompts answered by the base model and by the tuned one."""
    parts: list[RenderableType] = []
    for sample in report["samples"]:
        parts.append(Text(f"❯ {sample['question']}", "bold"))
        base, tuned = str(sample["base"]).strip() or "–", str(sample["tuned"]).strip() or "–"
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        if side_by_side:
            grid.add_column(ratio=1, overflow="fold")
            grid.add_column(ratio=1, overflow="fold")
            grid.add_row(
                _answer("○", say("before"), base, ink("text-muted")),
                _answer("●", say("after"), tuned, ink("text-primary")),
            )
        else:
            grid.add_column(overflow="fold")
            grid.add_row(_answer("○", say("before"), base, ink("text-muted")))
            grid.add_row(_answer("●", say("after"), tuned, ink("text-primary")))
        parts += [grid, Text()]
    return Group(*parts[:-1]) if parts else Text(say("No answers were generated."), ink("text-muted"))


def _answer(sign: str, name: str, text: str, style: Style) -> Text:
    return Text.assemble((f"{sign} {name}  ", style), text)


def proof_list(report: dict[str, Any], ink: Ink) -> RenderableType:
    """Return every proof with its figures."""
    if not report["proofs"]:
        return Text(say("Nothing is proven yet."), ink("text-muted"))
    grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
    grid.add_column(width=1)
    grid.add_column(ratio=1, overflow="fold")
    for proof in report["proofs"]:
        good = proof["passed"]
        sign = Text("✓" if good else "✗", ink("text-success" if good else "text-error"))
        word = say("holds") if good else say("does not hold")
        detail = "; ".join(filter(None, (f"{proof['name']}: {word}", figures(proof["measured"]))))
        grid.add_row(sign, Text.assemble(proof["sentence"], (f"\n{detail}", ink("text-muted"))))
    return grid


def scale_hint(*, bars: bool) -> str:
    """Return what the ratio, its signs and its bars mean."""
    ratio = say("ratio = measured / planned; bars end at {most:g}, the mark is 1", most=WIDEST_RATIO)
    signs = say("≈ differs by a quarter at most, ≠ by more")
    return f"{ratio if bars else say('ratio = measured / planned')}\n{signs}"
