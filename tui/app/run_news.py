"""The one line of a run that deserves attention now: what it does beyond running, or the latest warning."""

from __future__ import annotations

from collections.abc import Sequence

from planner.language import say
from runtime.events import AnyEvent, Log, State
from runtime.run.view import RunView
from tui.app.run_words import clock, stage_name
from tui.progress_lines import said, state_words

LATEST = 40


def news(view: RunView, events: Sequence[AnyEvent], state: str) -> str:
    """Return the line; empty when all goes as it should."""
    current = view.current()
    if state == "running" and current is not None:
        if current.activity == "saving":
            return say("Saving a checkpoint")
        if current.activity:
            return current.activity
        if current.progress is not None and current.progress.message and current.progress.total > 0:
            return current.progress.message
    if state != "running":
        return said(view.reason) if view.reason and state in ("stopped", "paused", "waiting") else ""
    for event in reversed(events[-LATEST:]):
        if isinstance(event, State) and event.state in ("saved", "resumed") and event.stage:
            text = state_words(event) or said(event.reason)
            return f"{clock(event.t)} {stage_name(event.stage)}: {text}" if text else ""
        if isinstance(event, Log):
            return f"{clock(event.t)} {event.message}"
        if isinstance(event, State) and event.state == "started":
            return ""
    return ""
