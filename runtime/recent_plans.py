"""The plan files that a person saved, opened or ran lately, in one small file of the home folder."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import NamedTuple

from runtime.paths import home, write_atomically

MOST = 30


class RecentPlan(NamedTuple):
    """One plan file."""

    path: Path
    t: float
    """When it was last used, in seconds since the epoch."""


def file() -> Path:
    """Return where recent plans are kept."""
    return home() / "recent-plans.json"


def remember(path: Path) -> None:
    """Put a plan file first. Where the home folder cannot be written, nothing is remembered."""
    path = path.absolute()
    others = [plan for plan in _load() if plan.path != path][: MOST - 1]
    rows = [
        {"path": str(plan.path), "t": plan.t} for plan in (RecentPlan(path, round(time.time(), 3)), *others)
    ]
    try:
        write_atomically(file(), json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
    except OSError:
        return


def recent() -> list[RecentPlan]:
    """Return the recent plan files that still exist, the latest first."""
    return [plan for plan in _load() if plan.path.is_file()]


def _load() -> list[RecentPlan]:
    try:
        rows = json.loads(file().read_text(encoding="utf-8"))
        return [RecentPlan(Path(row["path"]), float(row["t"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return []
