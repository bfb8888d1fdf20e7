"""/undo: as before the last step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.language import template
from tui.app.slash.command import SlashCommand, conversation

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """Take back the last answer or fixed setting."""
    screen = conversation(app)
    screen.dialogue.undo()
    screen.go_on()


COMMAND = SlashCommand(
    help=template("take back the last step"), hint=template("An answer or a fixed setting."), act=act
)
