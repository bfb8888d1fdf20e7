"""Answers of an interview that was left, kept in the data folder until a plan is saved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime.paths import home, write_atomically


def answers_file() -> Path:
    """Return the file of the kept answers; it may not exist."""
    return home() / "answers.json"


def keep(answers: Mapping[str, Any]) -> None:
    """Keep answers (`Interview.to_saved`) for the next start; none at all are as good as forgotten.

    OSError if the data folder cannot be written.
    """
    if not answers.get("answers") and not answers.get("pins"):
        forget()
        return
    write_atomically(answers_file(), json.dumps(answers, ensure_ascii=False, indent=2) + "\n")


def kept() -> Any:
    """Return the answers of last time as plain data; None where there are none, or they cannot be read."""
    try:
        return json.loads(answers_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def forget() -> None:
    """Remove the kept answers, as after a plan was saved."""
    answers_file().unlink(missing_ok=True)
