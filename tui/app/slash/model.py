"""/model [NAME]: another model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner.language import template
from tui.app.slash.command import SlashCommand, conversation

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """Answer the question about the model, or ask it again."""
    screen = conversation(app)
    screen.dialogue.give("model", argument) if argument else screen.dialogue.reopen("model")
    screen.go_on()


def names(app: SteersmanApp) -> Sequence[str]:
    """Return the catalogue."""
    from tui.app.widgets.completing import models

    return models()


COMMAND = SlashCommand(
    help=template("take another model"), hint=template("/model qwen 7b"), act=act, completes=names
)
