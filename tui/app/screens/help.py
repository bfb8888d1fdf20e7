"""Help for what has the focus: what it is for, and its keys."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from planner.language import say, template
from tui.app.keys import Key, KeyFooter, is_typed

KEYS_OF_LISTS = template("Arrow keys move, page up and down turn pages, home and end jump, enter chooses.")


class HelpScreen(ModalScreen[None]):
    """The `HELP` of the focused widget and of its screen, then every key that works now."""

    HELP = template("Help for the part of the screen that had the focus.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "escape,f1,q",
            "dismiss",
            template("Close"),
            id="help.close",
            tooltip=template("Close the help."),
        ),
    ]

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self.about = screen

    def compose(self) -> ComposeResult:
        """Yield the sentences, then the keys."""
        with VerticalScroll(id="help"):
            yield Static(say("Help"), classes="title", markup=False)
            for sentence in sentences(self.about):
                yield Static(sentence, markup=False, classes="sentence")
            yield Static(say("Keys"), classes="title", markup=False)
            yield Static(self.keys(), id="keys")
            yield Static(say(KEYS_OF_LISTS), classes="muted", markup=False)
        yield KeyFooter()

    def keys(self) -> Table:
        """Return every key that works now with what it does."""
        grid = Table.grid(padding=(0, 2))
        lines = key_lines(self.about)
        grid.add_column(width=max((cell_len(keys) for keys, _, _ in lines), default=4), no_wrap=True)
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold", ratio=1)
        for keys, words, tooltip in lines:
            grid.add_row(Text(keys, style="bold"), words, Text(tooltip, style="dim"))
        return grid


def sentences(screen: Screen[Any]) -> list[str]:
    """Return what the focused widget and everything around it say about themselves, the nearest first."""
    nodes: list[DOMNode] = list((screen.focused or screen).ancestors_with_self)
    found = (getattr(node, "HELP", None) for node in nodes)
    return list(dict.fromkeys(say(text) for text in found if isinstance(text, str)))


def key_lines(screen: Screen[Any]) -> list[tuple[str, str, str]]:
    """Return (keys, what they do, more words) of everything that can be pressed on a screen."""
    lines: dict[str, tuple[list[str], str, str]] = {}
    for _, binding, enabled, tooltip in screen.active_bindings.values():
        if not enabled or not binding.id or binding.system or is_typed(screen, binding):
            continue
        keys, *_ = lines.setdefault(
            binding.id, ([], say(binding.description), say(tooltip) if tooltip else "")
        )
        keys.append(screen.app.get_key_display(binding))
    return [(" ".join(keys), words, more) for keys, words, more in lines.values()]
