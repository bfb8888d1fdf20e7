"""The line in which a person answers: history, completion, and keys that are passed on to the choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Offset
from textual.message import Message
from textual.widgets import Input
from textual_autocomplete import AutoComplete, DropdownItem, TargetState

from planner.language import say, template
from tui.app.keys import Key

Candidates = Callable[[str], Sequence[str]]
"""Text so far -> whole lines that it could become."""

MOST_CANDIDATES = 40


class Prompt(Input):
    """One line of text. Up and down move among the choices while nothing is being completed."""

    HELP = template(
        "Type an answer in your own words, the letter of a choice, or a command that begins with /. "
        "An empty line takes what is proposed. why? explains, back returns, not sure lets me decide."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "up",
            "choice(-1)",
            template("Choice above"),
            id="prompt.up",
            tooltip=template("Move to the choice above."),
            show=False,
        ),
        Key(
            "down",
            "choice(1)",
            template("Choice below"),
            id="prompt.down",
            tooltip=template("Move to the choice below."),
            show=False,
        ),
    ]

    @dataclass
    class Moved(Message):
        """The person moved among the choices."""

        step: int

    def __init__(self) -> None:
        super().__init__(id="prompt", compact=True)
        self.tooltip = say("Your answer; / begins a command.")

    def action_choice(self, step: int) -> None:
        """Move among the choices."""
        self.post_message(self.Moved(step))


class Completion(AutoComplete):
    """Offers completions above the prompt. Tab takes one; Enter answers with what was typed."""

    def __init__(self, target: Prompt | str, offers: Candidates) -> None:
        super().__init__(target, prevent_default_enter=False, prevent_default_tab=True)
        self.offers = offers
        self.moved = False
        """Whether the person moved among the completions, so that Enter means the one at hand."""

    def get_candidates(self, target_state: TargetState) -> list[DropdownItem]:
        """Return what the text so far could become."""
        return [DropdownItem(text) for text in self.offers(target_state.text)][:MOST_CANDIDATES]

    def _listen_to_messages(self, event: events.Event) -> None:
        if isinstance(event, events.Key):
            if event.key in ("up", "down"):
                if not self.display:
                    return
                self.moved = True
            elif event.key == "enter" and self.display:
                if not self.moved:
                    self.action_hide()
                    return
                event.prevent_default()
                event.stop()
            elif event.key not in ("tab", "escape", "enter"):
                self.moved = False
        super()._listen_to_messages(event)

    def post_completion(self) -> None:
        """Hide the list once one was taken."""
        self.moved = False
        super().post_completion()

    def _align_to_target(self) -> None:
        x, y = self.target.cursor_screen_offset
        width, height = self.option_list.outer_size
        screen = self.screen.size
        self.absolute_offset = Offset(max(0, min(x - 1, screen.width - width)), max(0, y - height))
