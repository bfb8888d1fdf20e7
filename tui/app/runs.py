"""Follow runs in the background: the journal from its first line, then what is added, ten times a second.

A screen asks for a run and is sent messages; no screen waits for a file. Nothing is remembered between two
visits: the journal is the truth, and it is read again.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.message import Message
from textual.message_pump import MessagePump

from planner.errors import SteersmanError
from runtime.events import AnyEvent
from runtime.run.layout import RunFolder, StageFolder
from runtime.run.status import RunState, state_of, supervisor_of
from runtime.run.utilisation import Gauge, Utilisation
from runtime.run.view import RunView
from tui.app.log_feed import LogFeed
from tui.estimate import Expected

if TYPE_CHECKING:
    from planner.plan import Plan

POLL_SECONDS = 0.1
LIFE_SECONDS = 0.5
"""How often the supervisor's lock is looked at."""
USE_SECONDS = 2.0
"""How often the machine is looked at."""


@dataclass
class RunRead(Message):
    """A run's journal was read from its start. `view` is the reader's own from now on."""

    view: RunView
    state: RunState
    events: list[AnyEvent]
    forecast: Expected
    plan: Plan | None


@dataclass
class RunAdvanced(Message):
    """More was written, or the run's state changed. The events are not in the view yet."""

    events: list[AnyEvent]
    state: RunState


@dataclass
class RunObserved(Message):
    """What the running stage uses of this machine; None when none of its processes is here."""

    use: Utilisation | None


@dataclass
class RunUnreadable(Message):
    """The journal cannot be read."""

    error: SteersmanError


class RunFeed:
    """Follows one run for one reader, in a thread, until it is closed."""

    def __init__(self, run: RunFolder, reader: MessagePump) -> None:
        self.run = run
        self._reader = reader
        self._closed = threading.Event()
        self._gauge: Gauge | None = None
        self._gauged = ""

    def close(self) -> None:
        """End the thread soon."""
        self._closed.set()

    def follow(self) -> None:
        """Read what there is, then follow."""
        from runtime.run.journal import JournalTail, iterate

        tail = JournalTail(self.run.journal)
        importlib.import_module("tui.app.widgets.still_plot")  # NumPy takes a while: here nobody waits for it
        try:
            stages, forecast, plan = look_up(self.run)
            events = list(iterate(tail))
            view = first_view(stages, events)
            alive = supervisor_of(self.run) is not None
            state, seen, running = state_of(view, alive=alive), view.state, current_stage(view)
            self._tell(RunRead(view, state, events, forecast, plan))
            self._go_on(tail, state, seen, running)
        except SteersmanError as error:
            self._tell(RunUnreadable(error))

    def _go_on(self, tail: Any, state: RunState, seen: str, running: str) -> None:
        """Follow. Only what decides the state is folded here; the reader folds the whole."""
        own = RunView(state=seen)
        if running:
            own.stage(running).state = "running"
        next_life = next_use = 0.0
        alive = state == "running"
        while not self._closed.wait(POLL_SECONDS):
            now = time.monotonic()
            if now >= next_life:
                alive, next_life = supervisor_of(self.run) is not None, now + LIFE_SECONDS
            events = tail.read()
            for event in events:
                if event.kind == "state":
                    own.apply(event)
            if events and own.state == "running":
                alive = True
            is_now = state_of(own, alive=alive)
            if events or is_now != state:
                state = is_now
                self._tell(RunAdvanced(events, state))
            if now >= next_use:
                next_use = now + USE_SECONDS
                self._observe(current_stage(own) if state == "running" else "")

    def _observe(self, stage: str) -> None:
        if stage != self._gauged:
            self._gauged = stage
            self._gauge = Gauge(self.run.stage(stage)) if stage else None
            if not stage:
                self._tell(RunObserved(None))
        if self._gauge is not None:
            self._tell(RunObserved(self._gauge.read()))

    def _tell(self, message: Message) -> None:
        if not self._closed.is_set():
            self._reader.post_message(message)


def look_up(run: RunFolder) -> tuple[tuple[str, ...], Expected, Plan | None]:
    """Return a run's stages, its forecast and its plan; nothing of a plan that cannot be read."""
    from runtime.run.task import build_table

    try:
        table = build_table(run)
    except SteersmanError:
        return (), Expected(), None
    plan = getattr(table, "plan", None)
    if plan is None or not hasattr(plan, "forecast"):
        return tuple(table.stages), Expected(), None
    forecast = Expected(dict(plan.forecast.stage_seconds), plan.forecast.peak_memory_bytes)
    return tuple(table.stages), forecast, plan


def first_view(stages: tuple[str, ...], events: list[AnyEvent]) -> RunView:
    """Return the view after the events that there are."""
    from runtime.run.view import fold

    return fold(events, stages)


def current_stage(view: RunView) -> str:
    """Return the name of the stage that runs; empty without one."""
    current = view.current()
    return current.name if current else ""


class Runs:
    """The runs that screens of this app look at: each in a thread that ends with its feed or with the app."""

    def follow(self, run: RunFolder, reader: MessagePump) -> RunFeed:
        """Send `reader` a `RunRead`, then `RunAdvanced` and `RunObserved`, until the feed is closed."""
        feed = RunFeed(run, reader)
        in_thread(feed.follow, f"run {run.name}")
        return feed

    def follow_log(self, path: Path, needle: str = "", stage: StageFolder | None = None) -> LogFeed:
        """Return a feed that reads a log of a stage, until it is closed."""
        feed = LogFeed(path, needle, stage)
        in_thread(feed.follow, f"log {path.name}")
        return feed


def in_thread(task: Callable[[], None], name: str) -> None:
    """Run a reader. Textual's own threads are few, and the app would wait for them at its end."""
    threading.Thread(target=task, name=name, daemon=True).start()
