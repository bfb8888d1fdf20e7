"""The head of a run: its name, state and time; a bar of the stage under way; one line of news."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.console import Group
from rich.text import Text
from textual.widgets import Static

from planner.language import say, template
from planner.phrases import size
from runtime.run.durations import span
from runtime.run.view import RunView, StageView
from tui.app.run_words import RUN_MEANINGS, RUN_WORDS, stage_name
from tui.app.widgets.ink import ink
from tui.estimate import Expected, run_remaining, stage_remaining

UNITS = (template("steps"), template("rows"), template("prompts"), template("tensors"), template("files"))
"""What workers count; another unit is said as it is."""


class RunHead(Static):
    """Three lines at the top."""

    def __init__(self) -> None:
        super().__init__(id="head", markup=False)

    def show(self, name: str, view: RunView, state: str, forecast: Expected, now: float, news: str) -> None:
        """Show where the run is. `news` is the latest that deserves attention."""
        width = max(self.content_size.width, 20)
        current = view.current() if state == "running" else None
        lines = [
            self._first(name, view, state, forecast, now),
            self._bar(current, forecast, now, width) if current else self._meaning(view, state),
            Text(news or " ", ink(self, "text-muted"), no_wrap=True, overflow="ellipsis"),
        ]
        self.update(Group(*lines), layout=False)  # its height is given

    def _first(self, name: str, view: RunView, state: str, forecast: Expected, now: float) -> Text:
        word = RUN_WORDS[state]
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(name, ink(self, "primary", bold=True))
        line.append("  ")
        line.append(f"{word.sign} {word.say()}", ink(self, word.meaning, bold=True))
        if view.session_started:
            end = now if state == "running" else view.last_event
            line.append(f"  {span(end - view.session_started)}")
        left = run_remaining(view, forecast, now) if state == "running" else None
        if left is not None:
            line.append("  " + say("about {time} left", time=span(left)), "bold")
        return line

    def _meaning(self, view: RunView, state: str) -> Text:
        return Text(say(RUN_MEANINGS[state]), no_wrap=True, overflow="ellipsis")

    def _bar(self, stage: StageView, forecast: Expected, now: float, width: int) -> Text:
        name, words = stage_name(stage.name), words_of_progress(stage, forecast, now)
        share = share_of(stage)
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{name} ", "bold")
        if share is None:
            line.append(words)
            return line
        room = width - cell_len(name) - 1 - 6 - cell_len(words) - 2
        cells = max(min(room, 80), 8)
        filled = round(share * cells)
        line.append("━" * filled, ink(self, "primary"))
        line.append("─" * (cells - filled), ink(self, "text-disabled"))
        line.append(f" {share:4.0%} ", "bold")
        line.append(" " + words)
        return line


def share_of(stage: StageView) -> float | None:
    """Return how much of a stage is done, from 0 to 1; None where it does not say."""
    progress = stage.progress
    if progress is None or progress.total <= 0:
        return None
    return min(max(progress.done / progress.total, 0.0), 1.0)


def words_of_progress(stage: StageView, forecast: Expected, now: float) -> str:
    """Return `120 of 500 steps · 3 min 10 s left`."""
    parts = []
    progress = stage.progress
    if progress is not None and progress.total > 0:
        parts.append(how_far(progress.done, progress.total, progress.unit))
    elif progress is not None and progress.message:
        parts.append(progress.message)
    left = stage_remaining(stage, forecast, now)
    if left is not None:
        parts.append(say("{time} left", time=span(left)))
    return " · ".join(parts)


def how_far(done: float, total: float, unit: str) -> str:
    """Return `120 of 500 steps`, or sizes for bytes."""
    if unit == "bytes":
        return say("{done} of {total}", done=size(done), total=size(total))
    return say(
        "{done} of {total} {unit}", done=f"{done:,.0f}", total=f"{total:,.0f}", unit=say(unit) if unit else ""
    )


def cut(text: str, width: int) -> str:
    """Return a text that fits into a width; what is cut off ends in an ellipsis."""
    return text if cell_len(text) <= width else set_cell_size(text, max(width - 1, 0)).rstrip() + "…"
