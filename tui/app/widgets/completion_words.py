"""What a completion is, in a few words: a command's purpose, a model's size, a file's rows."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from planner.language import LANGUAGES, say
from planner.phrases import GIB, parameters, plural, size

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp

COUNTED_BYTES = 1 << 20
"""Largest file whose rows are counted: it takes about a millisecond, and a list has forty files at most."""
ROW_FILES = (".jsonl", ".ndjson")
CONFIG_BYTES = 1 << 18


def words_for(app: SteersmanApp, line: str, completes: str) -> str:
    """Return what a whole line that is offered would mean; empty where nothing is known."""
    if line.startswith("/") and completes != "path":
        return of_command(line)
    if completes == "hardware":
        return of_machine(line)
    return (completes == "model" and of_model(line)) or of_path(line, app.folder)


def of_command(line: str) -> str:
    """Return what a command does, or what its argument is."""
    from planner.setting_values import settings
    from tui.app.slash.table import commands

    name, _, argument = line[1:].partition(" ")
    command = commands().get(name)
    if not argument or command is None:
        return say(command.help) if command else ""
    if name == "lang":
        return LANGUAGES.get(argument, "")
    setting = settings().get(argument.partition("=")[0])
    return say(setting.meaning) if setting else ""


def of_model(name: str) -> str:
    """Return the size and kind of a model of the catalogue."""
    from planner.model_catalogue import models

    entry = models().get(name)
    if entry is None:
        return ""
    kind = say("for chats") if entry.chat else say("pretrained on text")
    return " · ".join((parameters(entry.parameters), entry.model_type, kind, entry.license))


def of_machine(name: str) -> str:
    """Return the memory of devices of the catalogue."""
    from planner.device_catalogue import devices

    number, cross, device = name.partition("x ")
    entry = devices().get(device if cross else name)
    if entry is None:
        return ""
    each = " / ".join(size(gib * GIB) for gib in entry.memory_gib)
    return say("{memory} each", memory=each) if cross and number != "1" else each


def of_path(line: str, folder: Path) -> str:
    """Return the size of a file with its rows, or what kind of folder it is."""
    path = folder / Path(line).expanduser()
    try:
        if path.is_dir():
            return of_folder(path)
        stat = path.stat()
    except OSError:
        return ""
    rows = rows_of(path, stat.st_size, stat.st_mtime_ns)
    if not stat.st_size:
        return say("empty")
    return " · ".join(filter(None, (size(stat.st_size), plural(rows, "row") if rows else "")))


def of_folder(path: Path) -> str:
    """Return the type of the model in a folder; else that it is a folder."""
    config = path / "config.json"
    try:
        if config.stat().st_size > CONFIG_BYTES:
            return say("a folder")
        values = json.loads(config.read_text(encoding="utf-8"))
        return say("a model: {kind}", kind=values["model_type"])
    except (OSError, ValueError, KeyError, TypeError):
        return say("a folder")


@lru_cache(maxsize=256)
def rows_of(path: Path, number_of_bytes: int, changed: int) -> int:
    """Return how many rows a file of rows has; 0 for other files and large ones."""
    if path.suffix.lower() not in ROW_FILES or number_of_bytes > COUNTED_BYTES:
        return 0
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())
