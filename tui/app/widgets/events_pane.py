"""What happened in a run, in plain words with the time of day."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rich.table import Table
from rich.text import Text
from textual.events import Resize
from textual.widgets import RichLog

from planner.language import say, template
from runtime.events import AnyEvent, Error, Log, Proof, State
from tui.app.run_words import RUN_MEANINGS, STAGE_NAMES, clock, stage_name
from tui.app.widgets.ink import ink
from tui.page import width_of
from tui.progress_lines import said, words

MOST_SHOWN = 120
ROOMY = 60
"""Cells from which stages have a column of their own."""

RUN_CHANGES = {
    "started": template("The run started."),
    "resumed": template("The run continues from its last proven point."),
    "finished": template("The run is finished: every stage is proven."),
}


class EventsPane(RichLog):
    """The journal as sentences, newest last."""

    HELP = template("What happened, in plain words, from the run's journal. The newest is at the end.")

    def __init__(self, root: Path) -> None:
        """Paths inside `root`, the run's folder, are told without it."""
        super().__init__(id="events-pane", wrap=True, markup=False, max_lines=5000, min_width=20)
        self._root = f"{root}/"
        self._told: list[Line] = []

    def show(self, events: Iterable[AnyEvent]) -> None:
        """Show all events anew."""
        self._told = [line for event in events if (line := self._line(event)) is not None][-MOST_SHOWN:]
        self._write_all()

    def add(self, events: Iterable[AnyEvent]) -> None:
        """Show more events."""
        new = [line for event in events if (line := self._line(event)) is not None]
        if not new:
            return
        self._told = [*self._told, *new][-MOST_SHOWN:]
        self._write(new)

    def on_resize(self, event: Resize) -> None:
        """Break the lines for the new width."""
        self.call_after_refresh(self._write_all)

    def _write_all(self) -> None:
        self.clear()
        self._write(self._told)

    def _write(self, lines: list[Line]) -> None:
        """Write lines as one table, so that a long sentence stays in its column."""
        if not lines:
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=8)
        if self.content_size.width >= ROOMY:
            grid.add_column(width=width_of(map(stage_name, STAGE_NAMES)))
        grid.add_column(overflow="fold", ratio=1)
        for line in lines:
            style = ink(self, line.meaning) if line.meaning else ""
            when = Text(clock(line.t), ink(self, "text-muted"))
            stage = Text(stage_name(line.stage) if line.stage else "", ink(self, "secondary"))
            if len(grid.columns) == 3:
                grid.add_row(when, stage, Text(line.text, style))
            else:
                between = "  " if line.stage else ""
                grid.add_row(when, Text.assemble(stage, between, (line.text, style)))
        self.write(grid, expand=True)

    def _line(self, event: AnyEvent) -> Line | None:
        text, meaning, sign = tell(event)
        text = text.replace(self._root, "")
        return Line(event.t, event.stage, f"{sign} {text}" if sign else text, meaning) if text else None


class Line(NamedTuple):
    """One event as it is shown."""

    t: float
    stage: str
    text: str
    meaning: str


def tell(event: AnyEvent) -> tuple[str, str, str]:
    """Return what an event means to a person, its colour's meaning, and its sign; all empty if nothing."""
    if isinstance(event, Error):
        return event.what, "text-error", "✗"
    if isinstance(event, State) and not event.stage:
        return _change_of_run(event), "", ""
    text = words(event)
    if isinstance(event, Proof):
        return text, "text-success" if event.passed else "text-error", "✓" if event.passed else "✗"
    if isinstance(event, Log) and event.level == "warning":
        return text, "text-warning", "!"
    return text, "", ""


def _change_of_run(event: State) -> str:
    if event.state in RUN_CHANGES:
        return say(RUN_CHANGES[event.state])
    if event.state in ("stopped", "paused", "waiting"):
        meaning = say(RUN_MEANINGS[event.state])
        return f"{meaning} ({said(event.reason)})" if event.reason else meaning
    return ""  # a failure is an error of its own
