"""Open what a person names: a plan file, a run folder, or a run by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from planner.errors import BadInput
from planner.language import say
from runtime.run.layout import RunFolder, find_run, is_run

if TYPE_CHECKING:
    from planner.plan import Plan


def read(text: str, folder: Path, tell: Callable[[str], object] = str) -> RunFolder | tuple[Plan, Path]:
    """Return the run, or the plan with its file. `folder` is what a relative path starts from. BadInput.

    `tell` gets one line about what was filled in the plan of an earlier version.
    """
    path = Path(text).expanduser()
    path = path if path.is_absolute() else folder / path
    if path.is_dir() and is_run(path):
        return RunFolder(path.resolve())
    if path.is_dir() and (path / "plan.yaml").is_file():
        path = path / "plan.yaml"
    if path.is_file():
        return read_plan(path, tell), path
    if path.exists():
        raise BadInput(
            say("{path} is neither a plan nor a run.", path=path),
            remedy=say("Name a plan file, or a folder with a plan.yaml in it."),
        )
    try:
        return find_run(text)
    except BadInput as error:
        raise BadInput(
            say("There is no file {path} and no run of that name.", path=path),
            remedy=say("Name a plan file, a run folder or a run."),
        ) from error


def read_plan(path: Path, tell: Callable[[str], object] = str) -> Plan:
    """Return the plan in a file, and remember the file."""
    from planner.planfile import loads_telling
    from runtime.recent_plans import remember
    from runtime.run.task import read_plan_file

    plan, lacking = loads_telling(read_plan_file(path), str(path))
    if lacking:
        tell(lacking)
    remember(path)
    return plan
