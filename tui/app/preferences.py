"""What the app remembers from one start to the next: language and theme, in one small file."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from planner.schema import Record
from runtime.paths import home, write_atomically


class Preferences(Record):
    """What a person chose for the app; None where they have not."""

    language: str | None = None
    theme: str | None = None


def file() -> Path:
    """Return where preferences are kept."""
    return home() / "app.json"


def load() -> Preferences:
    """Return what was remembered; nothing of a file that is missing or damaged."""
    try:
        return Preferences.model_validate_json(file().read_bytes())
    except (OSError, ValidationError, ValueError):
        return Preferences()


def remember(**changes: str) -> None:
    """Keep some preferences. Where the home folder cannot be written they hold for this start alone."""
    try:
        write_atomically(file(), load().model_copy(update=changes).model_dump_json(indent=2))
    except OSError:
        return
