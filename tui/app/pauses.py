"""Fewer pauses: Python's collector of cycles stops everything while it walks through all objects."""

from __future__ import annotations

import gc

THRESHOLDS = (5_000, 200, 500)
"""New objects, young and middle collections before the next older one.

Python's own (700, 10, 10) walked through all objects of planner and widgets several times for each screen:
measured on the plan screen, the worst gap between two turns of the event loop was 0.45 to 0.8 s with them
and 0.14 to 0.33 s without any collection (Python 3.11, two cores). Young objects are looked at in small
portions: 20,000 of them took up to 20 ms of CPU time between a key and the screen."""


def collect_seldom() -> None:
    """Let the collector walk through old objects seldom. What has no cycles is freed at once, as ever."""
    gc.set_threshold(*THRESHOLDS)
