"""What happened in a run, in plain words with the time of day."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.events import Resize
from textual.widgets import RichLog

from planner.language import say, template
from runtime.events import AnyEvent, Error, Log, Proof, State
from tui.app.run_words import RUN_MEANINGS, clock, stage_name
from tui.app.widgets.ink import ink
from tui.progress_lines import said, words

MOST_SHOWN = 500

RUN_CHANGES = {
    "started": template("The run started."),
    "resumed": template("The run continues from its last proven point."),
    "finished": template("The run is finished: every stage is proven."),
}


class EventsPane(RichLog):
    """The journal as sentences, newest last."""

    HELP = template("What happened, in plain words, from the run's journal. The newest is at the end.")

    def __init__(self) -> None:
        super().__init__(id="events-pane", wrap=True, markup=False, max_lines=5000, min_width=20)
        self._told: list[Text] = []

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
        self.write(Text("\n").join(new))

    def on_resize(self, event: Resize) -> None:
        """Break the lines for the new width."""
        self.call_after_refresh(self._write_all)

    def _write_all(self) -> None:
        self.clear()
        if self._told:
            self.write(Text("\n").join(self._told))

    def _line(self, event: AnyEvent) -> Text | None:
        text, meaning, sign = tell(event)
        if not text:
            return None
        line = Text()
        line.append(clock(event.t) + "  ", ink(self, "text-muted"))
        if event.stage:
            line.append(stage_name(event.stage) + "  ", ink(self, "secondary"))
        line.append((sign + " " if sign else "") + text, ink(self, meaning) if meaning else "")
        return line


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
    if event.state in ("stopped", "paused"):
        meaning = say(RUN_MEANINGS[event.state])
        return f"{meaning} ({said(event.reason)})" if event.reason else meaning
    return ""  # a failure is an error of its own
