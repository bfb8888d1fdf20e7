"""The runs as a table: state, name, where it is, when."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text
from textual.widgets import DataTable

from planner.language import say, template
from runtime.run.durations import span
from tui.app.home_rows import PlanRow, RunRow, what
from tui.app.run_words import RUN_WORDS, ago
from tui.app.widgets.ink import ink
from tui.app.widgets.run_head import cut
from tui.page import width_of

LEAST_NAME, LEAST_WHERE = 20, 22
GAPS = 10
"""Cells between and around four columns."""


class RowsTable(DataTable[Text]):
    """A table whose rows are replaced in the background without losing the cursor."""

    def __init__(self, id: str) -> None:  # noqa: A002 - the word of Textual
        super().__init__(id=id, cursor_type="row", zebra_stripes=False, cell_padding=1)

    def fill(self, headings: list[str], rows: list[tuple[str, list[Text]]]) -> None:
        """Show (key, cells) rows; nothing is drawn again while nothing changes."""
        texts = [(key, [cell.markup for cell in cells]) for key, cells in rows]
        shown = (headings, texts, self.app.theme)
        if shown == getattr(self, "_shown", None):
            return
        self._shown = shown
        here = self.chosen
        self.clear(columns=True)
        for heading in headings:
            self.add_column(heading)
        for key, cells in rows:
            self.add_row(*cells, key=key)
        keys = [key for key, _ in rows]
        if here in keys:
            self.move_cursor(row=keys.index(here), animate=False)

    @property
    def chosen(self) -> str:
        """The key of the row under the cursor; empty without rows."""
        if not self.row_count or not self.is_valid_row_index(self.cursor_row):
            return ""
        return self.ordered_rows[self.cursor_row].key.value or ""


class RunsTable(RowsTable):
    """The runs."""

    HELP = template(
        "Your runs, those under way first. Enter looks at one; g continues one that was "
        "stopped, failed or lost. "
        "A run goes on when you leave the app."
    )

    def show(self, rows: list[RunRow], width: int, now: float) -> None:
        """Show the runs in a table of this width."""
        words = max(width_of([word.say()]) for word in RUN_WORDS.values()) + 2
        times = width_of((when(row, now) for row in rows), 4)
        free = width - words - times - GAPS
        names = min(width_of((row.run.name for row in rows), 3), max(free - LEAST_WHERE, LEAST_NAME))
        room = max(free - names, LEAST_WHERE)
        filled = []
        for row in rows:
            word = RUN_WORDS[row.state]
            cells = [
                Text(f"{word.sign} {word.say()}", ink(self, word.meaning)),
                Text(cut(row.run.name, names), "bold" if row.state == "running" else ""),
                self._where(row, room),
                Text(when(row, now), ink(self, "text-muted")),
            ]
            filled.append((str(row.run.root), cells))
        headings = [say("State"), say("Run"), say("Where it is"), say("When")]
        self.fill(headings, filled)

    def _where(self, row: RunRow, room: int) -> Text:
        text = what(row)
        line = Text(no_wrap=True)
        if row.state == "running" and row.share is not None:
            cells = 10
            filled = round(row.share * cells)
            line.append("━" * filled, ink(self, "primary"))
            line.append("─" * (cells - filled) + " ", ink(self, "text-disabled"))
        line.append(text)
        if row.reason and row.state in ("failed", "damaged"):
            line.append((" · " if text else "") + row.reason, ink(self, "text-muted"))
        line.truncate(room, overflow="ellipsis")
        return line


def when(row: RunRow, now: float) -> str:
    """Return the time left of a run under way, else when it last did anything."""
    if row.state == "running" and row.left is not None:
        return say("about {time} left", time=span(row.left))
    return ago(row.when, now)


class PlansTable(RowsTable):
    """The recent plan files."""

    HELP = template(
        "Plan files that you saved, opened or ran. Enter shows the plan; a goes on with the answers "
        "behind it."
    )

    def show(self, rows: list[PlanRow], width: int, now: float) -> None:
        """Show the plans in a table of this width."""
        methods = width_of((row.method for row in rows), 6)
        times = width_of((ago(row.when, now) for row in rows), 9)
        free = width - methods - times - GAPS
        names = min(width_of((row.name for row in rows), 4), max(free - LEAST_WHERE, LEAST_NAME))
        room = max(free - names, LEAST_WHERE)
        filled = []
        for row in rows:
            cells = [
                Text(cut(row.name, names)),
                Text(row.method),
                Text(end_of(row.path, room), ink(self, "text-muted")),
                Text(ago(row.when, now), ink(self, "text-muted")),
            ]
            filled.append((str(row.path), cells))
        self.fill([say("Plan"), say("Method"), say("File"), say("Last used")], filled)


def end_of(path: Path, room: int) -> str:
    """Return a path in so many cells: its end tells more than its beginning."""
    home = str(path.home())
    place = f"~{str(path)[len(home) :]}" if str(path).startswith(home + "/") else str(path)
    while width_of([place]) > room:
        place = "…" + place[2:]
    return place
