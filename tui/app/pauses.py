"""Fewer pauses: Python's collector of cycles stops everything while it walks through objects."""

from __future__ import annotations

import gc
import time

THRESHOLDS = (5_000, 8, 400)
"""New objects, young and middle collections before the next older one.

Python's own (700, 10, 10) walked through all objects of planner and widgets several times for each screen:
measured on the plan screen, the worst gap between two turns of the event loop was 0.45 to 0.8 s with them
and 0.14 to 0.33 s without any collection (Python 3.11, two cores). Young objects are looked at in small
portions: 20,000 of them took up to 20 ms of CPU time between a key and the screen. The middle ones, too: with
200 young collections before one of them, it took 0.4 s, once for about five plans that were opened; with 8 it
is 0.02 to 0.04 s. All objects are looked at while nobody works, see `Collector`; 400 is for a person who
never rests."""

MANY_PASSES = 1
"""Collections of the middle ones after which everything is looked at, even if no screen was closed: about a
million new objects, which is an hour of watching a run."""

REST_SECONDS = 3.0
"""Without a key or a click for so long, a person will hardly notice 0.1 s."""


class Collector:
    """Frees what closed screens leave behind, while the person rests."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._left = False

    def touched(self) -> None:
        """Say that the person pressed a key or a button."""
        self._since = time.monotonic()

    def left(self) -> None:
        """Say that a screen was closed: its widgets know each other, so that only a collection frees them."""
        self._left = True

    def look(self, at_rest: bool = False) -> None:
        """Collect everything, if there is something to collect and the person rests.

        `at_rest` says that the app does so, too: Home is all that is open, and nothing is worked out. What is
        there then stays, and later collections pass it by: caches and modules that a screen brought."""
        much = self._left or gc.get_count()[2] >= MANY_PASSES
        if much and time.monotonic() - self._since >= REST_SECONDS:
            self._left = False
            gc.collect()
            if at_rest:
                gc.freeze()


def collect_seldom() -> None:
    """Let the collector walk through old objects seldom. What has no cycles is freed at once, as ever."""
    gc.set_threshold(*THRESHOLDS)


def keep_what_is_loaded() -> None:
    """Exempt from collections what stays as long as the app: its modules, the planner and its catalogues.

    Without them, a collection of everything takes 0.08 s with a plan open, and not 0.15 s."""
    gc.freeze()
