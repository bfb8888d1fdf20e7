"""What the conversation has done in the background: plain functions for threads, with no widget in sight."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from planner.facts import Facts
from planner.interview.finding import Found, ToFind
from planner.language import say
from tui.app.work import Reporter

if TYPE_CHECKING:
    from planner.plan import Plan
    from planner.wishes import Wishes
    from runtime.run.layout import RunFolder

PLAN_FILE = "plan.yaml"


def find(sought: ToFind, folder: Path, stage: str, reporter: Reporter) -> Found:
    """Return the facts that are missing; raises `BadInput` in one sentence."""
    from runtime.find_facts import find as found
    from runtime.paths import runs_folder

    if sought.what == "hardware":
        reporter.say(say("Looking at this machine"))
    return found(
        sought,
        where=runs_folder(),
        folder=folder,
        stage=stage,
        report=reporter.say,
        progress=reporter.progress,
    )


def near(folder: Path, reporter: Reporter) -> tuple[str, ...]:
    """Return the data files in a folder that could be trained on."""
    from runtime.near_files import near_files

    return near_files(folder)


def plan(facts: Facts, wishes: Wishes, reporter: Reporter) -> Plan:
    """Return the plan of facts and wishes, corrected by what was measured on this machine."""
    from planner.solve import make_plan
    from runtime.calibration import calibration_for

    reporter.say(say("Planning"))
    known = facts.model_copy(update={"calibration": calibration_for(facts)})
    return make_plan(known, wishes)


def save(made: Plan, file: Path | None, folder: Path) -> Path:
    """Write the plan file and return its path: `file`, or a free name in the person's folder."""
    from planner.planfile import dumps
    from runtime.paths import write_atomically
    from runtime.recent_plans import remember

    file = file or free_name(folder, made)
    write_atomically(file, dumps(made, file.name))
    remember(file)
    return file


def read(text: str, folder: Path, tell: Callable[[str], object] = str) -> RunFolder | tuple[Plan, Path]:
    """Return a run, or a saved plan with its file in the language of the moment; raises `BadInput`."""
    from tui.app.opening import read as opened
    from tui.plan_input import in_language

    found = opened(text, folder, tell)
    return (in_language(found[0]), found[1]) if isinstance(found, tuple) else found


def free_name(folder: Path, made: Plan) -> Path:
    """Return `plan.yaml` in a folder, or `plan-2.yaml`... where another plan has that name."""
    from planner.planfile import dumps

    number = 1
    while True:
        file = folder / (PLAN_FILE if number == 1 else f"plan-{number}.yaml")
        if not file.exists() or file.read_text(encoding="utf-8", errors="replace") == dumps(made, file.name):
            return file
        number += 1


def start(made: Plan, file: Path | None, folder: Path, reporter: Reporter) -> RunFolder:
    """Write the plan, install its engine if it is missing, and start its run; return the run's folder.

    A run of the same plan that is there already is continued. Raises `BadInput`.
    """
    from tui.app.starting import start as started

    return started(made, save(made, file, folder), reporter)
