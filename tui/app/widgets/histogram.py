"""Lengths of rows as bars, with the chosen max_length among them and how many rows it cuts."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.widget import Widget

from planner.language import say, template
from planner.phrases import count, plural
from tui.app.widgets.ink import ink

BAR_CELLS = 32
FULL, BEYOND = "█", "▒"


class Histogram(Widget, can_focus=True):
    """Tokens per row. Rows beyond max_length are drawn with another glyph, not only another colour."""

    HELP = template(
        "How many tokens the rows have, from the shortest to the longest. The line is max_length: rows below "
        "it are longer and are cut."
    )

    def __init__(self) -> None:
        super().__init__()
        self.buckets: list[tuple[int, int, int]] = []
        self.max_length = 0
        self.longer = 0
        self.counted = True
        self.words = ""
        """What stands there instead of bars; empty while rows are being counted."""

    def tell(self, words: str) -> None:
        """Say why there are no bars."""
        self.words = words
        self.refresh(layout=True)

    def show(
        self, buckets: list[tuple[int, int, int]], max_length: int, longer: int, *, counted: bool
    ) -> None:
        """Show (from, to, rows) buckets; `longer` rows have more than `max_length` tokens."""
        self.buckets, self.max_length, self.longer, self.counted = buckets, max_length, longer, counted
        self.refresh(layout=True)

    def render(self) -> RenderableType:
        """Return the bars, the line, and what it comes to."""
        if not self.buckets:
            return Text(self.words or say("All rows are being counted."), ink(self, "foreground-muted"))
        most = max(rows for _, _, rows in self.buckets)
        digits = len(count(max(high for _, high, _ in self.buckets)))
        room = max(8, min(BAR_CELLS, (self.size.width or 60) - 2 * digits - 16))
        grid = Table.grid(padding=(0, 1))
        grid.add_column(justify="right", no_wrap=True, style=ink(self, "foreground-muted"))
        grid.add_column(width=room, no_wrap=True)
        grid.add_column(justify="right", no_wrap=True)
        drawn, empty = False, False
        for low, high, rows in self.buckets:
            if not drawn and low > self.max_length:
                grid.add_row(*self._line(room))
                drawn = True
            if not rows:
                if not empty:
                    grid.add_row("⋮", "", "")
                empty, drawn = True, self._within(grid, room, low, high, drawn)
                continue
            empty = False
            cells = max(round(room * rows / most), 1 if rows else 0)
            beyond = low > self.max_length
            bar = Text((BEYOND if beyond else FULL) * cells, ink(self, "warning" if beyond else "primary"))
            span = f"{low:>{digits},} – {high:>{digits},}" if low < high else f"{low:,}"
            grid.add_row(span, bar, count(rows))
            drawn = self._within(grid, room, low, high, drawn)
        if not drawn:
            grid.add_row(*self._line(room))
        return Group(grid, Text(), self._sentence())

    def _within(self, grid: Table, room: int, low: int, high: int, drawn: bool) -> bool:
        """Draw the line below the bucket in which max_length lies; return whether it is drawn."""
        if not drawn and low <= self.max_length < high:
            grid.add_row(*self._line(room))
            return True
        return drawn

    def _line(self, room: int) -> tuple[Text, Text, Text]:
        style = ink(self, "text-accent", bold=True)
        return Text(f"max_length {count(self.max_length)}", style), Text("╌" * room, style), Text()

    def _sentence(self) -> Text:
        if self.longer:
            words = say(
                "{rows} longer than {length:,} tokens and cut.",
                rows=plural(self.longer, "row is", "rows are"),
                length=self.max_length,
            )
            return Text(f"▲ {words}", ink(self, "text-warning", bold=True))
        sure = "" if self.counted else say(" (estimated)")
        words = say(
            "Every row fits into {length:,} tokens: none is cut{sure}.", length=self.max_length, sure=sure
        )
        return Text(f"✓ {words}", ink(self, "text-success", bold=True))
