"""/open FILE: a saved plan, or a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from planner.language import template
from tui.app.slash.command import SlashCommand, argument_of, conversation, has_conversation

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp
    from tui.app.screens.home import HomeScreen


def act(app: SteersmanApp, argument: str) -> None:
    """Read it in the background and show it; without a conversation from Home, and none is begun."""
    text = argument_of(argument, "open", "plan.yaml")
    if not has_conversation(app):
        home(app).open_named(text)
        return
    screen = conversation(app)
    screen.pursuit.open(text)
    screen.draw()


def home(app: SteersmanApp) -> HomeScreen:
    """Return Home, brought to the front."""
    app.go_home()
    return cast("HomeScreen", app.screen)


def plan_files(app: SteersmanApp) -> Sequence[str]:
    """Return the YAML files of the person's folder."""
    return sorted(path.name for pattern in ("*.yaml", "*.yml") for path in app.folder.glob(pattern))


COMMAND = SlashCommand(
    help=template("open a saved plan or a run"),
    hint=template("/open plan.yaml"),
    act=act,
    completes=plan_files,
    needs_argument=True,
    alone=lambda app: home(app).action_open(),
)
