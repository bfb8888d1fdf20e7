"""What a line can be completed to: slash commands and their arguments, models, paths, machines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp

MOST_PATHS = 60


def offers(app: SteersmanApp, text: str, completes: str) -> Sequence[str]:
    """Return whole lines that `text` could become; `completes` is the kind of the question at hand."""
    if text.startswith("/"):
        near_root = paths(text, app.folder) if completes in ("model", "path") else ()
        return near_root if "/" in text.partition(" ")[0][1:] else (*slash_lines(app, text), *near_root)
    if not text:
        return ()
    if completes == "model":
        return [*models(), *(paths(text, app.folder) if looks_like_path(text) else ())]
    if completes == "path":
        return paths(text, app.folder)
    if completes == "hardware":
        return machines()
    return ()


def slash_lines(app: SteersmanApp, text: str) -> Sequence[str]:
    """Return commands, or one command with its arguments."""
    from tui.app.slash.table import commands

    name, blank, _ = text[1:].partition(" ")
    if not blank:
        return [f"/{each}" for each in commands()]
    command = commands().get(name)
    return [f"/{name} {argument}" for argument in command.completes(app)] if command else ()


@cache
def models() -> tuple[str, ...]:
    """Return the catalogue's names."""
    from planner.model_catalogue import models as catalogue

    return tuple(catalogue())


@cache
def machines() -> tuple[str, ...]:
    """Return the devices of the catalogue, alone and in common numbers."""
    from planner.device_catalogue import devices

    return tuple(f"{number}{name}" for name in devices() for number in ("", "2x ", "4x ", "8x "))


def looks_like_path(text: str) -> bool:
    """Return whether a text begins like a path."""
    return text.startswith(("/", "./", "../", "~"))


def paths(text: str, folder: Path) -> Sequence[str]:
    """Return files and folders that begin with what was typed, written as it was begun."""
    typed = Path(text).expanduser()
    where = typed if text.endswith("/") else typed.parent
    base = where if where.is_absolute() else folder / where
    prefix = text[: len(text) - len(Path(text).name)] if not text.endswith("/") else text
    try:
        names = sorted(base.iterdir(), key=lambda path: (path.is_file(), path.name.lower()))[:MOST_PATHS]
    except OSError:
        return ()
    return [f"{prefix}{path.name}{'/' if path.is_dir() else ''}" for path in names if path.name[0] != "."]
