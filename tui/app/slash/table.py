"""The slash commands there are, and how a typed line finds its command."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from planner.did_you_mean import hint
from planner.errors import BadInput
from planner.language import say
from tui.app.slash.command import SlashCommand

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp

NAMES = (
    "plan",
    "why",
    "what-if",
    "set",
    "pin",
    "undo",
    "compare",
    "data",
    "model",
    "hardware",
    "save",
    "open",
    "run",
    "runs",
    "chat",
    "lang",
    "theme",
    "help",
)
"""In the order of the list that `/` shows. The code of `/a-b` is `a_b.py`."""


@cache
def commands() -> dict[str, SlashCommand]:
    """Return every slash command by name."""
    return {
        name: importlib.import_module(f"tui.app.slash.{name.replace('-', '_')}").COMMAND for name in NAMES
    }


def is_command(text: str) -> bool:
    """Return whether a line is a command, and not a path from the root."""
    word = text.partition(" ")[0]
    if not word.startswith("/") or "/" in word[1:]:
        return False
    return word == "/" or word[1:].lower() in NAMES or not Path(word).exists()


def whole(name: str) -> str:
    """Return the command that a name begins, if it is the only one: /comp means /compare."""
    begun = [each for each in NAMES if name and each.startswith(name)]
    return name if name in NAMES or len(begun) != 1 else begun[0]


def obey(app: SteersmanApp, text: str) -> None:
    """Do what `/name argument` says; `BadInput` for a name that does not exist."""
    name, _, argument = text.strip().removeprefix("/").partition(" ")
    command = commands().get(whole(name.lower()))
    if command is None:
        raise BadInput(
            say("There is no command /{name}.", name=name),
            remedy=hint(name, NAMES) or say("/help lists them."),
        )
    command.act(app, argument.strip())
