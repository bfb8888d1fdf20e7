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

MANY_PASSES = 2
"""Collections of the middle ones after which all that is new is looked at: 80,000 objects, as many as two
plans that are opened. Measured: 0.03 to 0.08 s."""

REST_SECONDS = 1.5
"""Without a key or a click for so long, a person will hardly notice 0.1 s."""

ABSENCE_SECONDS = 30.0
"""Without a key or a click for so long, a person reads or is gone, and will hardly notice 0.3 s."""


class Collector:
    """Frees what closed screens leave behind, while the person rests.

    A look at everything takes as long as there is much: 0.15 to 0.25 s with a conversation and a plan open.
    So only what is new is looked at in a short rest, and passed by from then on. What was passed by and then
    closed is found in a long one.
    """

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._left = False

    def touched(self) -> None:
        """Say that the person pressed a key or a button."""
        self._since = time.monotonic()

    def left(self) -> None:
        """Say that a screen was closed: its widgets know each other, so that only a collection frees them."""
        self._left = True

    def look(self) -> None:
        """Collect, if there is something to collect and the person rests."""
        rested = time.monotonic() - self._since
        if self._left and rested >= ABSENCE_SECONDS:
            self._left = False
            gc.unfreeze()
        elif gc.get_count()[2] < MANY_PASSES or rested < REST_SECONDS:
            return
        gc.collect()
        gc.freeze()


def collect_seldom() -> None:
    """Let the collector walk through old objects seldom. What has no cycles is freed at once, as ever."""
    gc.set_threshold(*THRESHOLDS)


def keep_what_is_loaded() -> None:
    """Exempt from collections what stays as long as the app: its modules, the planner and its catalogues."""
    gc.freeze()
