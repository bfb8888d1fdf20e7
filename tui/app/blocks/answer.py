"""An answered question, collapsed into one line that can be opened again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from planner.interview.question import Answer, Provenance
from planner.language import say, template
from tui.app.keys import Key
from tui.app.transcript import Entry

ORIGINS: dict[Provenance, str] = {
    "typed": template("you said"),
    "flag": template("given"),
    "saved": template("from before"),
    "detected": template("I found"),
    "default": template("proposed"),
}
"""Where an answer comes from, in words."""


class AnswerBlock(Static, can_focus=True):
    """Name, answer, and where it comes from. Enter or a click asks the question again."""

    HELP = template(
        "An answer, and where it comes from. Enter or a click asks the question again; only what depends on "
        "it is asked again, and only if the answer changes."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "enter",
            "reopen",
            template("Change"),
            id="answer.reopen",
            tooltip=template("Ask this question again."),
        ),
    ]

    @dataclass
    class Reopened(Message):
        """The person wants to answer a question again."""

        key: str

    def __init__(self, entry: Entry, name: str, answer: Answer) -> None:
        super().__init__(classes=f"block -answer -{answer.provenance}")
        self.entry = entry
        self.name_shown = name
        self.answer = answer
        self.tooltip = answer.because or say("Enter or a click asks this again.")

    def render(self) -> Content:
        """Return the line: the answer is cut before its name or its origin."""
        width = max(20, self.content_size.width)
        found = self.answer.provenance == "detected"
        mark = "◇" if found else "✓"
        origin = say(ORIGINS[self.answer.provenance])
        wide = min(20, max(18, width // 4))
        room = width - 2 - wide - cell_len(origin) - 2
        shown = self.answer.shown
        if cell_len(shown) > room:
            shown = set_cell_size(shown, room - 1).rstrip() + "…"
        gap = " " * max(2, width - 2 - wide - cell_len(shown) - cell_len(origin))
        return Content.assemble(
            (f"{mark} ", "$text-accent" if found else "$text-success"),
            (set_cell_size(self.name_shown, wide), "$faint"),
            (shown, "bold"),
            gap,
            (origin, "$faint"),
        )

    def action_reopen(self) -> None:
        """Ask it again."""
        self.post_message(self.Reopened(self.entry.key))

    def on_click(self, event: events.Click) -> None:
        """Ask it again."""
        event.stop()
        self.action_reopen()
