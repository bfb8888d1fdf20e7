"""What a slash command is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


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
