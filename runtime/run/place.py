"""From which folder the relative paths of a plan are meant."""

from __future__ import annotations

from pathlib import Path

from planner.plan import Plan


def folder_of_paths(plan: Plan, file: Path | None) -> Path:
    """Return the folder that relative paths of a plan start from: the current one, or the one of the plan's
    `file` where the data lie beside that and not here."""
    here, data = Path.cwd(), Path(plan.facts.data.path).expanduser()
    if file is None or data.is_absolute() or (here / data).exists():
        return here
    beside = file.resolve().parent
    return beside if (beside / data).exists() else here


def path_of_data(plan: Plan, file: Path | None) -> str:
    """Return where the data of a plan lie; as the plan names them where they are no file (a mixture)."""
    path = folder_of_paths(plan, file) / Path(plan.facts.data.path).expanduser()
    return str(path) if path.exists() else plan.facts.data.path
