"""/run: start the run of the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.errors import BadInput
from planner.language import say, template
from tui.app.slash.command import SlashCommand, conversation, plan_at_hand

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """Write the plan, install its engine if need be, and start; raises `BadInput` where it cannot run."""
    from tui.app.asking import unstartable

    why_not = unstartable(plan_at_hand(app))
    if why_not:
        raise BadInput(say("The run cannot be started: {reason}.", reason=why_not.rstrip(".")))
    screen = conversation(app)
    screen.do("start")
    screen.draw()


COMMAND = SlashCommand(
    help=template("start the run"), hint=template("It goes on when the app is closed."), act=act
)
