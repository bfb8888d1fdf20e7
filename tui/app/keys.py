"""Key bindings whose words are translated when they are shown, and the footer that shows them."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

from planner.language import say

MOST_KEYS = 6
"""Keys that a footer shows; more of them nobody reads."""


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


class KeyFooter(Footer):
    """The footer: at most six keys, in the language of the moment."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)

    def compose(self) -> ComposeResult:
        """Yield one key for each action that can be seen."""
        if not self._bindings_ready:
            return
        seen: set[str] = set()
        for _, binding, enabled, tooltip in self.screen.active_bindings.values():
            if not binding.show or binding.action in seen or len(seen) == MOST_KEYS:
                continue
            seen.add(binding.action)
            yield FooterKey(
                binding.key,
                self.app.get_key_display(binding),
                say(binding.description),
                binding.action,
                disabled=not enabled,
                tooltip=say(tooltip) if tooltip else "",
            ).data_bind(compact=Footer.compact)
