"""A text file with syntax colours, drawn line by line: a long one costs no more than a short one."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style as RichStyle
from rich.syntax import Syntax
from rich.text import Text
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from planner.language import template

LEXERS = {"json": "json", "yaml": "yaml", "sh": "bash", "md": "markdown", "env": "bash"}
"""Suffix of a file -> pygments' name of its language."""

COLOURED_CHARACTERS = 40_000
"""Longer texts are shown without colours until they are ready, which takes pygments a while."""


class CodePane(ScrollView, can_focus=True):
    """Lines of one file with their numbers."""

    HELP = template("A file as it will be written. Arrow keys scroll, y copies it, x writes all files.")

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Text] = []
        self.number_cells = 0

    def show(self, text: str, suffix: str) -> None:
        """Show a file's text."""
        self.lines = coloured(text, suffix, dark=self.app.current_theme.dark)
        self.number_cells = len(str(len(self.lines))) + 2
        longest = max((line.cell_len for line in self.lines), default=0)
        self.virtual_size = Size(longest + self.number_cells, len(self.lines))
        self.scroll_to(0, 0, animate=False)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one visible line."""
        left, top = self.scroll_offset
        style = self.rich_style
        width = self.size.width
        if top + y >= len(self.lines):
            return Strip.blank(width, style)
        number = Segment(f"{top + y + 1:>{self.number_cells - 2}}  ", style + RichStyle(dim=True))
        text = self.lines[top + y]
        segments = [
            Segment(segment.text, style + without_background(segment.style))
            for segment in text.render(self.app.console)
            if segment.text != "\n"
        ]
        body = Strip(segments).crop(left, left + max(0, width - self.number_cells))
        return Strip([number, *body]).extend_cell_length(width, style).crop(0, width)


def without_background(style: RichStyle | None) -> RichStyle:
    """Return a style on whatever background it stands."""
    if style is None:
        return RichStyle()
    return RichStyle(color=style.color, bold=style.bold, italic=style.italic, underline=style.underline)


def coloured(text: str, suffix: str, *, dark: bool) -> list[Text]:
    """Return the lines of a text in the colours of its language; of a long one as they are."""
    lexer = LEXERS.get(suffix)
    if lexer is None or len(text) > COLOURED_CHARACTERS:
        return [Text(line) for line in text.splitlines()]
    theme = "ansi_dark" if dark else "ansi_light"
    found = Syntax(text, lexer, theme=theme, background_color="default").highlight(text)
    found.rstrip()
    return [Text("", end="") if not line.plain else line for line in found.split("\n", allow_blank=False)]
