"""Jobs that write a plan: its own file, the texts that render writes, and a folder that trains without us."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from planner.errors import BadInput
from planner.language import say
from planner.plan import Plan
from tui.app.work import Reporter

Task = Callable[[Reporter], object]


def plan_path(text: str, folder: Path) -> Path:
    """Return the file that a person means; a name without a suffix gets that of plans."""
    path = Path(text).expanduser()
    path = path if path.suffix else path.with_name(f"{path.name}.yaml")
    return path if path.is_absolute() else folder / path


def saving(plan: Plan, path: Path) -> Callable[[Reporter], Path]:
    """Return the job that writes the plan file, and gives its path."""

    def task(reporter: Reporter) -> Path:
        from planner.planfile import dumps
        from runtime.paths import write_atomically
        from runtime.recent_plans import remember

        reporter.say(say("Saving {path}", path=path.name))
        try:
            write_atomically(path, dumps(plan, path.name))
        except OSError as error:
            raise cannot_write(path, error) from error
        remember(path)
        return path

    return task


def rendering(plan: Plan, file: str) -> Callable[[Reporter], dict[str, str]]:
    """Return the job that makes the text of every file."""

    def task(reporter: Reporter) -> dict[str, str]:
        from tui.app.widgets.config_tabs import all_texts

        return all_texts(plan, file)

    return task


def exporting(plan: Plan, folder: Path, *, configs_only: bool) -> Callable[[Reporter], Path]:
    """Return the job that writes what `steersman render` writes, and gives the folder."""

    def task(reporter: Reporter) -> Path:
        from runtime.rendered import refuse_foreign, render_folder

        reporter.say(say("Writing the folder {folder}", folder=folder.name))
        refuse_foreign(folder)
        try:
            render_folder(plan, folder, configs_only=configs_only, progress=reporter.progress)
        except OSError as error:
            raise cannot_write(folder, error) from error
        return folder

    return task


def cannot_write(path: Path, error: OSError) -> BadInput:
    """Say that a place cannot be written to, and why."""
    return BadInput(
        say("{path} cannot be written: {reason}.", path=path, reason=error.strerror or error),
        remedy=say("Name another place."),
    )
