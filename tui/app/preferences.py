"""What the app remembers from one start to the next: language and theme, in one small file.

A dataclass and json: this is read before the first paint, where pydantic would take a third of the time.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from runtime.paths import home, write_atomically


@dataclass(frozen=True)
class Preferences:
    """What a person chose for the app; None where they have not."""

    language: str | None = None
    theme: str | None = None


def file() -> Path:
    """Return where preferences are kept."""
    return home() / "app.json"


def load() -> Preferences:
    """Return what was remembered; nothing of a file that is missing or damaged."""
    try:
        values = json.loads(file().read_bytes())
    except (OSError, ValueError):
        return Preferences()
    if not isinstance(values, dict):
        return Preferences()
    names = (field.name for field in fields(Preferences))
    return Preferences(**{name: values[name] for name in names if isinstance(values.get(name), str)})


def remember(**changes: str) -> None:
    """Keep some preferences. Where the home folder cannot be written they hold for this start alone."""
    try:
        write_atomically(file(), json.dumps(asdict(replace(load(), **changes)), indent=2) + "\n")
    except OSError:
        return
