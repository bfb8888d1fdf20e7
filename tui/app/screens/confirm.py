"""A question with two answers, before something that cannot be taken back."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from planner.language import template
from tui.app.keys import Key, KeyFooter


class ConfirmScreen(ModalScreen[bool]):
    """Returns True only for the first button; the second has the focus."""

    HELP = template("A question before something that cannot be taken back. Escape changes nothing.")
    CSS_PATH = "confirm.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Key("y", "answer(True)", template("Yes"), id="confirm.yes", tooltip=template("Do it.")),
        Key(
            "n,escape", "answer(False)", template("No"), id="confirm.no", tooltip=template("Change nothing.")
        ),
    ]

    def __init__(self, title: str, sentence: str, yes: str, no: str) -> None:
        """All four are sentences in the language of the moment."""
        super().__init__()
        self.texts = (title, sentence, yes, no)

    def compose(self) -> ComposeResult:
        """Yield the question and its answers."""
        title, sentence, yes, no = self.texts
        with Vertical(id="confirm"):
            yield Static(title, classes="title", markup=False)
            yield Static(sentence, markup=False)
            with Horizontal(id="answers"):
                yield Button(yes, variant="error", id="yes")
                yield Button(no, id="no")
        yield KeyFooter()

    def on_mount(self) -> None:
        """Let enter change nothing."""
        self.query_one("#no", Button).focus()

    @on(Button.Pressed)
    def pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """Answer by key."""
        self.dismiss(yes)
