"""The line in which a person answers: history, completion, and keys that are passed on to the choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Offset
from textual.message import Message
from textual.widgets import Input
from textual_autocomplete import AutoComplete, DropdownItem, TargetState

from planner.language import say, template
from tui.app.keys import Key

Candidates = Callable[[str], Sequence[str]]
"""Text so far -> whole lines that it could become."""
Words = Callable[[str], str]
"""A whole line -> what it is, in a few words."""

MOST_SHOWN = 40
"""Completions in the list; the best come first."""
MOST_CELLS = 32
"""Cells after which a longer line no longer moves the column of words."""
LEAST_WORDS = 12
"""Cells below which words are left out."""


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
        super().__init__(id="prompt", compact=True, select_on_focus=False)
        self.tooltip = say("Your answer; / begins a command.")
        self.example = ""
        """What can be typed, shown while nothing is."""

    def show_example(self, example: str) -> None:
        """Show what can be typed, cut where the line ends."""
        self.example = example
        room = max(1, self.content_size.width - 1)
        whole = cell_len(example) <= room
        self.placeholder = example if whole else set_cell_size(example, room - 1).rstrip() + "…"

    def on_resize(self) -> None:
        """Cut the example anew."""
        self.show_example(self.example)

    def on_paste(self, event: events.Paste) -> None:
        """Take all lines of what is pasted as one: a line that is dropped in silence would be missed."""
        event.text = " ".join(" ".join(event.text.splitlines()).split("\t")).strip()

    def action_choice(self, step: int) -> None:
        """Move among the choices."""
        self.post_message(self.Moved(step))


class Described(DropdownItem):
    """A completion with what it is, in a column of its own."""

    def __init__(self, item: DropdownItem, words: str, cells: int, room: int) -> None:
        super().__init__(item.main, id=item.id)
        gap = " " * (max(cells - item.main.cell_length, 0) + 2)
        left = room - max(cells, item.main.cell_length) - 2
        if words and left >= LEAST_WORDS:
            shown = words if cell_len(words) <= left else set_cell_size(words, left - 1).rstrip() + "…"
            self.set_prompt(Content.assemble(item.main, gap, (shown, "$faint")))

    def set_prompt(self, prompt: Content) -> None:
        """Show this; what is taken stays the line alone."""
        self._set_prompt(prompt)


class Completion(AutoComplete):
    """Offers completions above the prompt. Tab takes one; Enter answers with what was typed."""

    def __init__(self, target: Prompt | str, offers: Candidates, words: Words) -> None:
        super().__init__(target, prevent_default_enter=False, prevent_default_tab=True)
        self.offers = offers
        self.words = words
        self.moved = False
        """Whether the person moved among the completions, so that Enter means the one at hand."""

    def get_candidates(self, target_state: TargetState) -> list[DropdownItem]:
        """Return what the text so far could become."""
        return [DropdownItem(text) for text in self.offers(target_state.text)]

    def get_matches(
        self, target_state: TargetState, candidates: list[DropdownItem], search_string: str
    ) -> list[DropdownItem]:
        """Return what fits to the text so far, with what it is."""
        found = super().get_matches(target_state, candidates, search_string)[:MOST_SHOWN]
        cells = min(max((item.main.cell_length for item in found), default=0), MOST_CELLS)
        room = self.screen.size.width - 4
        return [Described(item, self.words(item.value), cells, room) for item in found]

    def should_show_dropdown(self, search_string: str) -> bool:
        """Show nothing where all is typed already."""
        options = [cast(DropdownItem, option) for option in self.option_list.options]
        if len(options) == 1 and options[0].value == search_string:
            return False
        return super().should_show_dropdown(search_string)

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
            elif event.key == "tab" and not self.display and self.target.value:
                self._handle_target_update()
                if self.display:
                    event.prevent_default()
                    event.stop()
                return
            elif event.key not in ("tab", "escape", "enter"):
                self.moved = False
        super()._listen_to_messages(event)

    def post_completion(self) -> None:
        """Hide the list once one was taken; show what comes next in a folder, or after a command."""
        self.moved = False
        line = self.target.value
        if line.startswith("/") and " " not in line and self.offers(f"{line} "):
            self.target.insert_text_at_cursor(" ")
        elif line.endswith("/"):
            self._handle_target_update()
        else:
            super().post_completion()

    def _align_to_target(self) -> None:
        x, y = self.target.cursor_screen_offset
        width, height = self.option_list.outer_size
        screen = self.screen.size
        self.absolute_offset = Offset(max(0, min(x - 1, screen.width - width)), max(0, y - height))
