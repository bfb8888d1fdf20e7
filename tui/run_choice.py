"""Which folder a plan runs in: the person's, the one where it already runs, or a new one."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from planner.errors import BadInput
from planner.language import say
from runtime.paths import runs_folder
from runtime.run.layout import RunFolder, is_run


def choose_run(folder: Path | None, name: str, plan_text: str) -> tuple[Path, bool]:
    """Return the run's folder and whether this plan's run is already there.

    Without a folder it is `name` in the runs folder, or `name-2`, `name-3`... as long as other plans have
    those.
    """
    if folder is not None:
        root = folder.expanduser().absolute()
        if not is_run(root):
            return root, False
        if same_plan(RunFolder(root), plan_text):
            return root, True
        raise BadInput(
            say("{folder} holds a run of another plan.", folder=root),
            remedy=say(
                "Name another folder with --run, or continue that run with: {command}",
                command=f"steersman resume {root}",
            ),
        )
    base = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
    number = 1
    while True:
        root = runs_folder() / (base if number == 1 else f"{base}-{number}")
        if not root.exists():
            return root, False
        if is_run(root) and same_plan(RunFolder(root), plan_text):
            return root, True
        number += 1


def same_plan(run: RunFolder, plan_text: str) -> bool:
    """Return whether a run's plan says the same; comments and layout do not count.

    A run that was planned again when memory ran out is still the run of the plan that it began with.
    """
    try:
        texts = [path.read_text(encoding="utf-8") for path in (run.plan, *run.earlier_plans()[:1])]
        return plan_text in texts or yaml.safe_load(plan_text) in map(yaml.safe_load, texts)
    except (OSError, ValueError, yaml.YAMLError):
        return False
