"""Key bindings whose words are translated when they are shown, and the footer that shows them."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

from planner.language import say

MOST_KEYS = 6
"""Keys that a footer shows; more of them nobody reads."""

HELP = "app.help"
"""The key that a footer keeps when it is narrow: it shows all others."""

BLANKS = 3
"""Cells around and between a key and its words."""


def Key(  # noqa: N802 - stands where a class stands in BINDINGS
    key: str,
    action: str,
    description: str,
    *,
    id: str,  # noqa: A002 - the word of Textual
    tooltip: str,
    show: bool = True,
    priority: bool = False,
    key_display: str | None = None,
) -> Binding:
    """Return a binding; `description` and `tooltip` are English templates, marked with `template("...")`.

    BINDINGS are made when a class is imported, in whatever language is spoken then. So they hold templates,
    and the footer and the help screen say them.
    """
    return Binding(
        key,
        action,
        description,
        show=show,
        key_display=key_display,
        priority=priority,
        tooltip=tooltip,
        id=id,
    )


def is_typed(screen: Screen[Any], binding: Binding) -> bool:
    """Return whether the key would be typed into the field that has the focus.

    Textual knows that of all keys but this one, which Unicode calls solidus (`keys.py` `key_to_character`).
    """
    focused = screen.focused
    return binding.key == "slash" and focused is not None and focused.check_consume_key("slash", "/")


class ShownKey(NamedTuple):
    """One key as the footer shows it."""

    binding: Binding
    enabled: bool
    words: str
    tooltip: str


class KeyFooter(Footer):
    """The footer: at most six keys, and no more than fit, in the language of the moment."""

    DEFAULT_CSS: ClassVar[str] = "KeyFooter { overflow: hidden; scrollbar-size: 0 0; }"

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._composed: list[ShownKey] = []

    def shown_keys(self) -> list[ShownKey]:
        """Return one key for each action that can be seen."""
        seen: dict[str, ShownKey] = {}
        for _, binding, enabled, tooltip in self.screen.active_bindings.values():
            wanted = binding.show and binding.action not in seen and not is_typed(self.screen, binding)
            if wanted and len(seen) < MOST_KEYS:
                words = say(binding.description)
                seen[binding.action] = ShownKey(binding, enabled, words, say(tooltip) if tooltip else "")
        return self._fitting(list(seen.values()))

    def _fitting(self, keys: list[ShownKey]) -> list[ShownKey]:
        """Leave out the last ones that there is no room for, but not the help."""
        room = self.app.size.width

        def cells(key: ShownKey) -> int:
            return cell_len(self.app.get_key_display(key.binding)) + cell_len(key.words) + BLANKS

        while len(keys) > 1 and sum(map(cells, keys)) > room:
            keys.remove(next(key for key in reversed(keys) if key.binding.id != HELP))
        return keys

    def compose(self) -> ComposeResult:
        """Yield the keys."""
        self._composed = self.shown_keys() if self._bindings_ready else []
        for key in self._composed:
            yield FooterKey(
                key.binding.key,
                self.app.get_key_display(key.binding),
                key.words,
                key.binding.action,
                disabled=not key.enabled,
                tooltip=key.tooltip,
            ).data_bind(compact=Footer.compact)

    def on_resize(self, event: Resize) -> None:
        """Show more keys, or fewer."""
        if self._bindings_ready:
            self.bindings_changed(self.screen)

    def bindings_changed(self, screen: Screen[Any]) -> None:
        """Compose anew only what differs: a training asks several times a second.

        An empty footer is filled even in a window without focus, such as a browser's in the background."""
        here = self.is_attached and screen is self.screen
        if here and (not self._bindings_ready or self.shown_keys() != self._composed):
            super().bindings_changed(screen)
            if not screen.app.app_focus and not self._composed:
                self.call_after_refresh(self.recompose)
