"""/runs: plans and runs, on Home."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.language import template
from tui.app.slash.command import SlashCommand

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """Show them."""
    app.go_home()


COMMAND = SlashCommand(
    help=template("list plans and runs"), hint=template("With their state; one can be opened."), act=act
)
