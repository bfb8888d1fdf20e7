"""/theme: other colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.did_you_mean import hint
from planner.errors import BadInput
from planner.language import say, template
from tui.app.slash.command import SlashCommand
from tui.app.themes import LOOKS

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """Wear the named theme; without a name, the next one."""
    names = list(LOOKS)
    now = next((index for index, name in enumerate(names) if LOOKS[name].theme == app.theme), -1)
    name = argument.lower() or names[(now + 1) % len(names)]
    if name not in LOOKS:
        raise BadInput(
            say("There is no theme {name}.", name=argument),
            remedy=hint(argument, LOOKS) or say("There are: {names}.", names=", ".join(names)),
        )
    app.look(name)
    app.notify(say("Theme {name}: {meaning}.", name=name, meaning=say(LOOKS[name].meaning)), markup=False)


COMMAND = SlashCommand(
    help=template("change the colours"),
    hint=template("/theme dark, light, contrast or terminal"),
    act=act,
    completes=lambda app: tuple(LOOKS),
)
