"""/hardware [DESCRIPTION]: another machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner.language import template
from tui.app.slash.command import SlashCommand, conversation

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """Answer the question about the machine, or ask it again."""
    screen = conversation(app)
    screen.dialogue.give("hardware", argument) if argument else screen.dialogue.reopen("hardware")
    screen.go_on()


def machines(app: SteersmanApp) -> Sequence[str]:
    """Return the devices of the catalogue."""
    from tui.app.widgets.completing import machines as known

    return known()


COMMAND = SlashCommand(
    help=template("plan for another machine"),
    hint=template("/hardware two 4090s, /hardware 8x A100-80G"),
    act=act,
    completes=machines,
)
