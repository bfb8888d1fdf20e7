"""What a slash command is, and what most of them need: the conversation and its plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.errors import BadInput
from planner.language import say

if TYPE_CHECKING:
    from planner.plan import Plan
    from tui.app.application import SteersmanApp
    from tui.app.screens.conversation import ConversationScreen


def nothing(app: SteersmanApp) -> Sequence[str]:
    """Complete nothing."""
    return ()


@dataclass(frozen=True)
class SlashCommand:
    """One command. `help` and `hint` are templates, said when they are shown."""

    help: str
    """What it does, in a few words."""
    hint: str
    """How it is typed, with an example."""
    act: Callable[[SteersmanApp, str], None]
    """Does it, given what was typed after the name; raises `BadInput`."""
    completes: Callable[[SteersmanApp], Sequence[str]] = nothing
    """What the argument may be completed to."""
    needs_argument: bool = False
    """Whether it means nothing without one; the palette then leaves the rest to be typed."""
    alone: Callable[[SteersmanApp], None] | None = None
    """Asks for the argument where there is no conversation, so that none has to be opened for it."""


def has_conversation(app: SteersmanApp) -> bool:
    """Return whether a conversation is open, in sight or behind other screens."""
    from tui.app.screens.conversation import ConversationScreen

    return any(isinstance(screen, ConversationScreen) for screen in app.screen_stack)


def conversation(app: SteersmanApp) -> ConversationScreen:
    """Return the conversation, brought to the front; a new one with the plan at hand if there is none."""
    from tui.app.screens.conversation import ConversationScreen

    for screen in reversed(app.screen_stack):
        if isinstance(screen, ConversationScreen):
            found = screen
            while app.screen_stack[-1] is not found:
                app.pop_screen()
            return found
    app.open_conversation(app.desk.plan)
    opened = app.screen
    assert isinstance(opened, ConversationScreen)
    return opened


def plan_at_hand(app: SteersmanApp) -> Plan:
    """Return the plan that a command is about; raises `BadInput` where there is none yet."""
    if app.desk.plan is None:
        raise BadInput(
            say("There is no plan yet."), remedy=say("Answer the questions first, or /open a plan file.")
        )
    return app.desk.plan


def argument_of(text: str, command: str, example: str) -> str:
    """Return what was typed after a command; raises `BadInput` with an example where nothing was."""
    if not text:
        raise BadInput(
            say("/{command} needs more words.", command=command),
            remedy=say("For example: {command}", command=f"/{command} {example}"),
        )
    return text


def setting_names(app: SteersmanApp) -> Sequence[str]:
    """Return the settings of the table."""
    from planner.setting_values import settings

    return tuple(settings())
