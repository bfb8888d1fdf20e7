"""/save [FILE]: write the plan file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from planner.language import template
from tui.app.slash.command import SlashCommand, conversation, plan_at_hand

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """Write it: where it was named, else where it is saved, else as plan.yaml."""
    plan_at_hand(app)
    screen = conversation(app)
    if argument:
        app.desk.file = app.folder / Path(argument).expanduser()
    screen.pursuit.save()
    screen.draw()


COMMAND = SlashCommand(help=template("save the plan"), hint=template("/save, or /save mine.yaml"), act=act)
