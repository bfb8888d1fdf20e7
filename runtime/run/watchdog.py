"""Notice silence, standstill and a process that is stopped: said in words, and left running.

Steersman never kills a silent stage by itself: a long silence may be a slow disk. It says what the processes
are doing, so that a person can decide.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import psutil

from planner.language import say, template
from runtime.events import AnyEvent, Progress
from runtime.run import processes

NOTHING_YET = template(
    "Stalled? It has said nothing yet for {silence:.0f} s (expected at most {limit:.0f}). {activity}. "
    "Still waiting."
)
NOTHING_MORE = template(
    "Stalled? It has said nothing more for {silence:.0f} s (expected at most {limit:.0f}). {activity}. "
    "Still waiting."
)
NO_PROGRESS = template(
    "No progress: it speaks, but stands at {done:g} of {total:g} for {silence:.0f} s (expected at most "
    "{limit:.0f}). {activity}. Still waiting."
)
STANDSTILL_FACTOR = 2.0
"""How many silences long a stage may speak without getting on: evaluations and saving take their time."""

LOOK_SECONDS = 10.0
"""Between two looks at the processes; finding them asks every process of the machine."""


@dataclass
class Watchdog:
    """Warns after a silence of `limit_seconds`, and again each time the silence has doubled."""

    limit_seconds: float
    describe: Callable[[], str]
    clock: Callable[[], float] = time.monotonic
    heard: bool = False
    at: Progress | None = None
    """How far the stage is."""
    _last: float = field(init=False)
    _next_warning: float = field(init=False)
    _moved: float = field(init=False)
    _next_standstill: float = field(init=False)

    def __post_init__(self) -> None:
        self._last = self._moved = self.clock()
        self._next_warning = self.limit_seconds
        self._next_standstill = STANDSTILL_FACTOR * self.limit_seconds

    def note_event(self, events: Iterable[AnyEvent] = ()) -> None:
        """The stage said something."""
        self.heard = True
        self._last = self.clock()
        self._next_warning = self.limit_seconds
        for event in events:
            if isinstance(event, Progress) and (self.at is None or is_ahead(event, self.at)):
                self.at, self._moved = event, self._last
                self._next_standstill = STANDSTILL_FACTOR * self.limit_seconds

    def check(self) -> str:
        """Return a warning if the stage looks stalled, else an empty string."""
        now = self.clock()
        silence = now - self._last
        if silence >= self._next_warning:
            self._next_warning = silence * 2
            self._next_standstill = max(self._next_standstill, (now - self._moved) * 2)
            return say(
                NOTHING_MORE if self.heard else NOTHING_YET,
                silence=silence,
                limit=self.limit_seconds,
                activity=self.describe(),
            )
        standing = now - self._moved
        if self.at is None or standing < self._next_standstill:
            return ""
        self._next_standstill = standing * 2
        return say(
            NO_PROGRESS,
            done=self.at.done,
            total=self.at.total,
            silence=standing,
            limit=STANDSTILL_FACTOR * self.limit_seconds,
            activity=self.describe(),
        )


def is_ahead(event: Progress, before: Progress) -> bool:
    """Return whether a stage got on: further in the same, or at something else."""
    return (event.unit, event.message) != (before.unit, before.message) or event.done != before.done


class StoppedRanks:
    """Notices a process of a stage that is frozen (SIGSTOP, a debugger): the others would wait forever."""

    def __init__(
        self, members: Callable[[], list[psutil.Process]], look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._members, self._look_seconds = members, look_seconds
        self._next_look = time.monotonic() + look_seconds
        self._seen: frozenset[int] = frozenset()
        """Those that were frozen at the last look."""
        self._told: set[int] = set()

    def check(self) -> str:
        """Return a sentence about processes that were frozen at two looks in a row, once each."""
        if time.monotonic() < self._next_look:
            return ""
        self._next_look = time.monotonic() + self._look_seconds
        members = self._members()
        frozen = {process.pid: process for process in members if processes.is_stopped(process)}
        new = [process for pid, process in frozen.items() if pid in self._seen and pid not in self._told]
        self._seen = frozenset(frozen)
        self._told = {pid for pid in self._told if pid in frozen} | {process.pid for process in new}
        if not new:
            return ""
        names = ", ".join(processes.name_of(process) for process in new)
        others = len(members) - len(frozen)
        return say(
            "{names} is stopped (SIGSTOP), and {others} other process(es) of the stage wait for it. To let "
            "it go on: {command}",
            names=names,
            others=others,
            command="kill -CONT " + " ".join(str(process.pid) for process in new),
        )
