"""The command palette: every screen and every slash command, found by a few letters in either language."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from planner.language import say
from tui.app.application import SteersmanApp

FIRST = 1000
"""Put before other matches, whatever their score: what begins with what was typed."""


class Entry(NamedTuple):
    """One line of the palette."""

    name: str
    help: str
    act: Callable[[], None]


class SteersmanCommands(Provider):
    """Slash commands and screens."""

    @property
    def entries(self) -> Iterator[Entry]:
        """Yield what can be done, in the language of the moment."""
        from tui.app.slash.table import commands

        app = cast(SteersmanApp, self.app)
        yield Entry(say("New plan"), say("Answer a few questions and get a plan."), app.open_conversation)
        yield Entry(say("Home"), say("Plans and runs."), app.go_home)
        for name, command in commands().items():
            act = partial(app.begin_slash if command.needs_argument else app.slash, f"/{name}")
            yield Entry(f"/{name}: {say(command.help)}", say(command.hint), act)
        yield Entry(say("Help"), say("Help for what has the focus."), app.action_help)
        yield Entry(say("Quit"), say("Leave the app; runs go on."), app.leave)

    async def discover(self) -> Hits:
        """Yield everything, before anything is typed."""
        for entry in self.entries:
            yield DiscoveryHit(entry.name, entry.act, help=entry.help)

    async def search(self, query: str) -> Hits:
        """Yield what matches."""
        matcher, found = self.matcher(query), False
        for entry in self.entries:
            score = matcher.match(f"{entry.name} {entry.help}")
            if entry.name.lower().removeprefix("/").startswith(query.lower().removeprefix("/")):
                score += FIRST
            if score > 0:
                found = True
                yield Hit(score, matcher.highlight(entry.name), entry.act, text=entry.name, help=entry.help)
        if not found:
            again = cast(SteersmanApp, self.app).action_command_palette
            yield Hit(
                1,
                say("Nothing is called {query}.", query=query),
                again,
                help=say("Enter shows all there is."),
            )
