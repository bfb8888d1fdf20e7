"""/plan: the whole plan as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.language import template
from tui.app.slash.command import SlashCommand, plan_at_hand

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """Open the plan."""
    app.open_plan(plan_at_hand(app), app.desk.file)


COMMAND = SlashCommand(
    help=template("show the whole plan"), hint=template("Every setting with its reason."), act=act
)
