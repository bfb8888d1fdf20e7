"""/data [PATH]: the data as it will be trained on, or other data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner.language import template
from tui.app.slash.command import SlashCommand, conversation, plan_at_hand

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """Show the data of the plan, or answer the question about data."""
    if not argument:
        app.open_data(plan_at_hand(app))
        return
    screen = conversation(app)
    screen.dialogue.give("data", argument)
    screen.go_on()


def files(app: SteersmanApp) -> Sequence[str]:
    """Return files and folders near the person, and what is bundled."""
    from runtime.data.bundled import bundled_names
    from tui.app.widgets.completing import paths

    return (*bundled_names(), *paths("./", app.folder))


COMMAND = SlashCommand(
    help=template("show the data, or take other data"),
    hint=template("/data, or /data chats.jsonl"),
    act=act,
    completes=files,
)
