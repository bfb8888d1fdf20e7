"""/help: the commands, each with an example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from planner.language import say, template
from tui.app.slash.command import SlashCommand, conversation

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """List the commands in the conversation."""
    screen = conversation(app)
    screen.dialogue.tell("page", listed, title=lambda: say("Commands"))
    screen.draw()


def listed() -> Table:
    """Return the commands with what they do."""
    from tui.app.slash.table import commands

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, command in commands().items():
        words = Text.assemble(say(command.help), "\n", (say(command.hint), "dim"))
        grid.add_row(Text(f"/{name}", style="bold"), words)
    return grid


COMMAND = SlashCommand(
    help=template("list the commands"), hint=template("F1 explains what has the focus."), act=act
)
