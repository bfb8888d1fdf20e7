"""Quitting: it never ends a run, and says so when one is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.run.layout import RunFolder

PATIENCE_SECONDS = 3.0
"""Within this time a second press means yes."""

MOST_LOOKED_AT = 50
"""The most recent runs that are looked at; older ones are not under way."""


def living_runs() -> list[RunFolder]:
    """Return the runs whose supervisor is alive: one lock is asked for each, so it takes no time."""
    from runtime.run import lock
    from runtime.run.layout import list_runs

    return [run for run in list_runs()[:MOST_LOOKED_AT] if lock.is_held(run.lock)]
