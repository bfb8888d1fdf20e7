"""Notice silence: a stage that says nothing for far longer than forecast is called stalled, and left running.

Steersman never kills a silent stage by itself: a long silence may be a slow disk. It says what the processes
are doing, so that a person can decide.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from planner.language import say, template

NOTHING_YET = template(
    "Stalled? It has said nothing yet for {silence:.0f} s (expected at most {limit:.0f}). {activity}. "
    "Still waiting."
)
NOTHING_MORE = template(
    "Stalled? It has said nothing more for {silence:.0f} s (expected at most {limit:.0f}). {activity}. "
    "Still waiting."
)


@dataclass
class Watchdog:
    """Warns after a silence of `limit_seconds`, and again each time the silence has doubled."""

    limit_seconds: float
    describe: Callable[[], str]
    clock: Callable[[], float] = time.monotonic
    heard: bool = False
    _last: float = field(init=False)
    _next_warning: float = field(init=False)

    def __post_init__(self) -> None:
        self._last = self.clock()
        self._next_warning = self.limit_seconds

    def note_event(self) -> None:
        """The stage said something."""
        self.heard = True
        self._last = self.clock()
        self._next_warning = self.limit_seconds

    def check(self) -> str:
        """Return a warning if the stage looks stalled, else an empty string."""
        silence = self.clock() - self._last
        if silence < self._next_warning:
            return ""
        self._next_warning = silence * 2
        return say(
            NOTHING_MORE if self.heard else NOTHING_YET,
            silence=silence,
            limit=self.limit_seconds,
            activity=self.describe(),
        )
