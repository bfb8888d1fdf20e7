"""What Home shows of runs and plans, read in the background. What has not changed is not read again."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from planner.errors import SteersmanError
from planner.language import say
from runtime import recent_plans
from runtime.run.journal import JournalTail, iterate
from runtime.run.layout import RunFolder, last_active, list_runs
from runtime.run.status import state_of, supervisor_of
from runtime.run.view import RunView
from tui.app.run_words import stage_name
from tui.estimate import Expected, expected, run_remaining

MOST_RUNS = 100
"""The most recent runs that Home shows; `steersman runs` lists all."""


class RunRow(NamedTuple):
    """One run."""

    run: RunFolder
    state: str
    stage: str
    """The stage that runs, failed or stopped; empty without one."""
    share: float | None
    """How much of that stage is done."""
    left: float | None
    """Seconds that the run still takes."""
    reason: str
    when: float
    """When it last recorded anything."""


class PlanRow(NamedTuple):
    """One plan file."""

    path: Path
    name: str
    model: str
    method: str
    when: float


@dataclass
class _Known:
    """What is known of one run."""

    tail: JournalTail
    view: RunView = field(default_factory=RunView)
    forecast: Expected | None = None
    damage: SteersmanError | None = None


class HomeRows:
    """Reads runs and plans; every call reads what is new."""

    def __init__(self) -> None:
        self._runs: dict[Path, _Known] = {}
        self._plans: dict[Path, tuple[float, PlanRow | None]] = {}

    def runs(self) -> list[RunRow]:
        """Return the runs, those under way first, then the most recently active."""
        rows = [self._run(run) for run in list_runs()[:MOST_RUNS]]
        return sorted(rows, key=lambda row: row.state != "running")

    def plans(self) -> list[PlanRow]:
        """Return the recent plan files that can be read, the latest first."""
        rows = []
        for plan in recent_plans.recent():
            row = self._plan(plan.path, plan.t)
            if row is not None:
                rows.append(row._replace(when=plan.t))
        return rows

    def _run(self, run: RunFolder) -> RunRow:
        known = self._runs.setdefault(run.root, _Known(JournalTail(run.journal)))
        when = last_active(run)
        if known.damage is None:
            try:
                for event in iterate(known.tail):
                    known.view.apply(event)
            except SteersmanError as error:
                known.damage = error
        if known.damage is not None:
            return RunRow(run, "damaged", "", None, None, known.damage.sentence(), when)
        view = known.view
        state = state_of(view, alive=supervisor_of(run) is not None)
        stage = next(
            (each for each in view.stages.values() if each.state in ("running", "failed", "stopped")), None
        )
        left = None
        if state == "running":
            known.forecast = known.forecast or expected(run)
            left = run_remaining(view, known.forecast, time.time())
        else:
            for each in view.stages.values():
                each.metrics.clear()  # nobody looks at them here
        share = None
        if stage is not None and stage.progress is not None and stage.progress.total > 0:
            share = min(stage.progress.done / stage.progress.total, 1.0)
        why = view.error.what if state == "failed" and view.error else view.reason
        return RunRow(run, state, stage.name if stage else "", share, left, why, when)

    def _plan(self, path: Path, t: float) -> PlanRow | None:
        try:
            changed = path.stat().st_mtime
        except OSError:
            return None
        if self._plans.get(path, (0.0, None))[0] != changed:
            self._plans[path] = (changed, read_plan(path))
        return self._plans[path][1]


def read_plan(path: Path) -> PlanRow | None:
    """Return the row of a plan file; None of a file that is no plan."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
        method = find(values["decisions"], "method")
        model = values["facts"]["model"]["name"]
        return PlanRow(path, str(values["name"]), str(model), str(method), 0.0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration, yaml.YAMLError):
        return None


def find(decisions: dict[str, Any], setting: str) -> Any:
    """Return a decided value from a plan file, in which decisions are grouped by subject."""
    return next(group[setting]["value"] for group in decisions.values() if setting in group)


def what(row: RunRow) -> str:
    """Return where a run is, in a few words."""
    if row.stage:
        name = stage_name(row.stage)
        return f"{name} {row.share:.0%}" if row.share is not None and row.state != "failed" else name
    if row.state == "finished":
        return say("every stage is proven")
    return ""
