"""How long a run still takes: the forecast, corrected by what this session has measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from planner.errors import SteersmanError
from runtime.run.layout import RunFolder
from runtime.run.view import RunView, StageView

LEAST_CORRECTION, MOST_CORRECTION = 0.2, 5.0
FIRST_TRUSTED_SHARE = 0.02
"""A stage's own progress is extrapolated once this much of it is done."""
SAYS_NOTHING = ("acquire",)
"""Stages whose time says nothing of the machine's: what is cached takes none, and a download its own."""


@dataclass(frozen=True)
class Expected:
    """What the plan's forecast says; all zero where there is no forecast."""

    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    peak_memory_bytes: int = 0
    stage: str = ""
    """What kind of training the plan is for; empty where it cannot be read."""


def expected(run: RunFolder) -> Expected:
    """Return the forecast of a run's plan; an empty one if the plan cannot be read."""
    from planner.planfile import loads

    try:
        plan = loads(run.plan.read_text(encoding="utf-8"), str(run.plan))
    except (OSError, SteersmanError):
        return Expected()
    return Expected(dict(plan.forecast.stage_seconds), plan.forecast.peak_memory_bytes, plan.wishes.stage)


def stage_remaining(stage: StageView, forecast: Expected, now: float) -> float | None:
    """Return the seconds that a running stage still takes, by progress or forecast; None if unknown."""
    spent = max(now - stage.started, 0.0)
    timed = (metric.values.get("step_seconds") for metric in reversed(stage.metrics))
    step = next((seconds for seconds in timed if seconds is not None), None)  # a look at dev rows has none
    progress = stage.progress
    if progress is not None and progress.total > 0:
        left = max(progress.total - progress.done, 0.0)
        if progress.unit == "steps" and (step is not None or not left):
            return left * (step or 0.0)
        share = progress.done / progress.total
        if progress.unit != "steps" and FIRST_TRUSTED_SHARE < share <= 1:
            return spent * (1 - share) / share
    planned = forecast.stage_seconds.get(stage.name)
    return planned - spent if planned and planned > spent else None


def correction(view: RunView, forecast: Expected) -> float:
    """Return measured / forecast over the stages that this session has finished; 1 before there are any."""
    done = [
        stage
        for stage in view.stages.values()
        if stage.state == "committed" and stage.name not in SAYS_NOTHING
    ]
    planned = sum(forecast.stage_seconds.get(stage.name, 0.0) for stage in done)
    measured = sum(stage.seconds for stage in done if stage.name in forecast.stage_seconds)
    if planned <= 0:
        return 1.0
    return min(max(measured / planned, LEAST_CORRECTION), MOST_CORRECTION)


def run_remaining(view: RunView, forecast: Expected, now: float) -> float | None:
    """Return the seconds that the run still takes; None without a forecast."""
    if not forecast.stage_seconds:
        return None
    waiting = [stage.name for stage in view.stages.values() if stage.state == "waiting"]
    later = sum(forecast.stage_seconds.get(name, 0.0) for name in waiting) * correction(view, forecast)
    current = view.current()
    return later + ((stage_remaining(current, forecast, now) or 0.0) if current else 0.0)
