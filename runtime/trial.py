"""A trial of a plan: a few real steps at the longest sequences on this machine, measured and remembered.

It runs the plan's own stages up to preflight in a scratch run folder, so that what it measures is what the
run will do; fetched and converted models stay in the cache and are not done twice.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from planner import speed
from planner.calibration import Measurement
from planner.errors import StageFailed
from planner.language import say
from planner.pace import setup_from
from planner.plan import Plan
from planner.planfile import dumps
from runtime.calibration import beside_forecast, store
from runtime.paths import home, write_atomically
from runtime.run import journal
from runtime.run.layout import RunFolder
from runtime.run.start import start_supervisor
from runtime.run.stopping import request
from runtime.run.view import RunView, StageView, fold

LAST_STAGE = "preflight"
POLL_SECONDS = 0.2

LEAST_STEP_SECONDS = 0.5
"""A shorter step is no measure of speed: a trial times the second step of a fresh process, which took 0.22 to
0.34 s for a model of 0.6 M weights whose later steps take 0.11 to 0.13 s. Longer ones were within 4 %."""

BUSY = 0.5
"""Cores that others may use before a trial says so; an estimate."""

Report = Callable[[str], None]


def trial(plan: Plan, report: Report = lambda sentence: None) -> Measurement:
    """Run a plan's first stages and a few of its steps, and return what they measured, which is stored as
    well.

    `report` is told each stage as it starts. Raises StageFailed, with the stage's own words, when one of them
    fails: a plan that cannot take two steps cannot be run either.
    """
    if not plan.facts.hardware.devices and (busy := busy_cores()) >= BUSY:
        report(
            say(
                "Other programs want {busy:.1f} of the {cores} cores; the trial measures the speed beside "
                "them.",
                busy=busy,
                cores=plan.facts.hardware.cpu.cores,
            )
        )
    with scratch_run(plan) as run:
        view = _run_to_preflight(run, plan, report)
        measurement = of_preflight(plan, view.stage(LAST_STAGE))
    store(measurement)
    return measurement


def busy_cores() -> float:
    """Return how many cores ran something over the last minute; 0 where the system does not say."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0


@contextmanager
def scratch_run(plan: Plan) -> Iterator[RunFolder]:
    """Make a run folder that nobody sees and that is removed at the end."""
    parent = home() / "trials"
    parent.mkdir(parents=True, exist_ok=True)
    run = RunFolder(Path(tempfile.mkdtemp(prefix=f"{plan.name}-", dir=parent)))
    try:
        (run.root / "stages").mkdir()
        write_atomically(run.plan, dumps(plan))
        origin = {"folder": str(Path.cwd()), "created": round(time.time(), 3)}
        write_atomically(run.origin, json.dumps(origin) + "\n")
        yield run
    finally:
        shutil.rmtree(run.root, ignore_errors=True)


def of_preflight(plan: Plan, stage: StageView) -> Measurement:
    """Return what the preflight stage measured: the plan's processes at the longest sequences."""
    figures = stage.figures
    peak = int(figures.get("peak_memory_bytes") or 0)
    measurement = beside_forecast(plan, plan.name, "trial", stage.ended or time.time(), peak)
    seconds = float(figures.get("step_seconds") or 0.0)
    planned = setup_from(plan.value, plan.wishes.stage)
    if seconds < LEAST_STEP_SECONDS:
        return measurement
    longest = int(figures.get("longest_row_tokens") or planned.sequence_length)
    setup = replace(planned, sequence_length=longest)
    tokens = setup.micro_batch_tokens * setup.accumulation * setup.replicas
    cluster = speed.cluster(plan.facts.hardware, setup.precision)
    return measurement.model_copy(
        update={
            "tokens_per_second": round(float(tokens) / seconds, 3),
            "forecast_tokens_per_second": round(
                float(speed.tokens_per_second(plan.facts.model, setup, cluster)), 3
            ),
        }
    )


def _run_to_preflight(run: RunFolder, plan: Plan, report: Report) -> RunView:
    """Supervise the run to its preflight stage; an interrupt stops it in order."""
    process = start_supervisor(run, until=LAST_STAGE)
    told: set[str] = set()
    try:
        while process.poll() is None:
            _tell(_view(run, plan), told, report)
            time.sleep(POLL_SECONDS)
    except BaseException:
        request(run)
        process.wait()
        raise
    view = _view(run, plan)
    _tell(view, told, report)
    if not view.stage(LAST_STAGE).proven:
        error = next((stage.error for stage in view.stages.values() if stage.error), view.error)
        raise StageFailed(
            error.what if error else say("The trial did not get to its end."),
            remedy=error.remedy if error else "",
        )
    return view


def _view(run: RunFolder, plan: Plan) -> RunView:
    return fold(journal.read(run.journal) if run.journal.exists() else [], plan.stages)


def _tell(view: RunView, told: set[str], report: Report) -> None:
    for name, stage in view.stages.items():
        if stage.state != "waiting" and name not in told:
            told.add(name)
            report(say("Trial: {stage}.", stage=name))
