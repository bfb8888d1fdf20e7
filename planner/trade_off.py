"""What one plan gives and takes against another, in one sentence."""

from __future__ import annotations

from planner.language import say
from planner.phrases import duration, size
from planner.plan import Forecast


def trade_off(here: Forecast, there: Forecast) -> str:
    """Return how the second forecast's memory and time stand beside the first's."""
    memory, memory_now = (size(one.peak_memory_bytes) for one in (there, here))
    time, time_now = (duration(one.train_seconds) for one in (there, here))
    if memory == memory_now and time == time_now:
        return say("{memory} per process and {time} of training, as now.", memory=memory, time=time)
    if time == time_now:
        return say(
            "{memory} instead of {memory_now} per process, in as much time.",
            memory=memory,
            memory_now=memory_now,
        )
    if memory == memory_now:
        return say(
            "{time} instead of {time_now} of training, in as much memory.", time=time, time_now=time_now
        )
    return say(
        "{memory} instead of {memory_now} per process, and {time} instead of {time_now} of training.",
        memory=memory,
        memory_now=memory_now,
        time=time,
        time_now=time_now,
    )
