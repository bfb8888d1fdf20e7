"""Tab in the plain interview: completes paths, models and devices, where the terminal has readline."""

from __future__ import annotations

import contextlib
from pathlib import Path

from planner.interview.interview import Interview
from planner.interview.question import Question

MOST = 50
"""Completions that are offered at most."""


def complete(question: Question, interview: Interview) -> None:
    """Let Tab complete the answer of a question; nothing happens where there is no readline."""
    with contextlib.suppress(ImportError):
        import readline

        found: list[str] = []

        def completer(text: str, state: int) -> str | None:
            if state == 0:
                found[:] = candidates(text, question, interview)
            return found[state] if state < len(found) else None

        readline.set_completer_delims("")
        readline.set_completer(completer)
        readline.parse_and_bind("tab: complete")


def candidates(text: str, question: Question, interview: Interview) -> list[str]:
    """Return what a text may become: names that are known, and paths."""
    names = [choice.label for choice in interview.choices() if not choice.disabled]
    if question.completes == "model":
        from planner.model_catalogue import models

        names = [*names, *models()]
    if question.completes == "hardware":
        from planner.device_catalogue import devices

        names = [*names, *devices()]
    known = [name for name in dict.fromkeys(names) if name.lower().startswith(text.lower())]
    return [*known, *(paths(text) if question.completes in ("path", "model") else ())][:MOST]


def paths(text: str) -> list[str]:
    """Return files and folders that begin with a text, folders with a slash; hidden ones only when asked."""
    head, _, tail = text.rpartition("/")
    folder = Path(f"{head}/" if head or text.startswith("/") else ".").expanduser()
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    start = f"{head}/" if "/" in text else ""
    return [
        f"{start}{entry.name}{'/' if entry.is_dir() else ''}"
        for entry in entries
        if entry.name.startswith(tail) and (tail.startswith(".") or not entry.name.startswith("."))
    ]
