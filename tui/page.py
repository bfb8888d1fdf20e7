"""The parts of a page on the terminal: headings, aligned rows, bars. Nothing is said by colour alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

NARROW = 96
"""Columns below which a table of three would squeeze its last one."""

INDENT = 2


class Glyphs(NamedTuple):
    """What bars are drawn with."""

    full: str
    parts: str
    """Eighths of a cell from one to seven; empty where only whole cells can be drawn."""
    free: str
    limit: str
    mark: str


UNICODE = Glyphs("█", "▏▎▍▌▋▊▉", "·", "┃", "■")
ASCII = Glyphs("#", "", ".", "|", "*")


def glyphs(console: Console) -> Glyphs:
    """Return what the terminal can show."""
    try:
        "".join((*UNICODE, "─")).encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def heading(text: str) -> RenderableType:
    """Return a section's title over the whole width."""
    return Rule(Text(text, style="bold"), align="left", style="dim")


def indented(content: RenderableType, *, below: int = 1) -> RenderableType:
    """Return content set in by two cells, with empty lines below."""
    return Padding(content, (0, 0, below, INDENT), expand=False)


def width_of(texts: Iterable[str], least: int = 0) -> int:
    """Return the cells of the widest text; a Chinese character takes two."""
    return max((cell_len(text) for text in texts), default=least)


def rows(pairs: Iterable[tuple[str, str | Text]]) -> Table:
    """Return labels and their texts as two aligned columns."""
    listed = [(label, text) for label, text in pairs if text]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", width=width_of(label for label, _ in listed), no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    for label, text in listed:
        grid.add_row(label, text if isinstance(text, Text) else Text(text))
    return grid


def bullets(sentences: Iterable[str], style: str = "dim") -> Table:
    """Return sentences as a list; further lines of one stand below its first."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(overflow="fold", ratio=1)
    for sentence in sentences:
        grid.add_row("-", Text(sentence, style=style))
    return grid


def bar(
    start: float, end: float, width: int, shapes: Glyphs, style: str = "", *, visible: bool = True
) -> Text:
    """Return a bar of `width` cells that is filled from `start` to `end`, both shares of the whole.

    With `visible` even the smallest amount shows as one cell.
    """
    start, end = max(0.0, start), min(1.0, end)
    first = min(width - 1, int(start * width))
    cells = max(0.0, end * width - first)
    whole = int(cells)
    text = shapes.full * whole
    eighth = int((cells - whole) * 8)
    if shapes.parts and eighth and first + whole < width:
        text += shapes.parts[eighth - 1]
    elif not shapes.parts and cells - whole >= 0.5 and first + whole < width:
        text += shapes.full
    if not text and visible and end > start:
        text = shapes.parts[0] if shapes.parts else shapes.full
    free = width - first - len(text)
    return Text.assemble(
        (shapes.free * first, "dim"), (text, style), (shapes.free * max(0, free), "dim"), no_wrap=True
    )
