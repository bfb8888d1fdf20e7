"""One question at the bottom of a screen: a text to type, or a yes to give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, Static

from planner.language import say, template
from tui.app.keys import Key


class AskInput(Input):
    """Where the answer is typed."""

    HELP = template("Type the answer; enter takes it, escape leaves everything as it is.")


class YesNo(Static, can_focus=True):
    """A question that wants a yes or a no."""

    HELP = template("Press y or enter for yes, n or escape for no.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Key("y,enter", "answer(True)", template("Yes"), id="ask.yes", tooltip=template("Do it.")),
        Key(
            "n", "answer(False)", template("No"), id="ask.no", tooltip=template("Leave everything as it is.")
        ),
    ]

    def action_answer(self, yes: bool) -> None:
        """Answer the question."""
        bar = self.query_ancestor(AskBar)
        bar.answer("y" if yes else "n")


class AskBar(Vertical):
    """Asks one thing at a time; the answer comes as `Answered`: a text, y or n, or None for "leave it"."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "escape",
            "leave",
            template("Leave it"),
            id="ask.leave",
            tooltip=template("Leave everything as it is."),
        )
    ]

    @dataclass
    class Answered(Message):
        """The question `about` was answered."""

        about: str
        text: str | None

    def __init__(self) -> None:
        super().__init__()
        self.about = ""
        self.display = False

    def compose(self) -> ComposeResult:
        """Compose the question and both ways to answer it."""
        yield Static("", id="ask-text", markup=False)
        yield AskInput(id="ask-input")
        yield YesNo("", id="ask-yes", markup=False)

    def ask(self, about: str, question: str, text: str | None) -> None:
        """Ask for a text that starts as `text`; without one for a yes."""
        self.about = about
        self.query_one("#ask-text", Static).update(question)
        field, yes = self.query_one(AskInput), self.query_one(YesNo)
        field.display, yes.display = text is not None, text is None
        yes.update(say("y yes · n no"))
        field.value = text or ""
        self.display = True
        (field if text is not None else yes).focus()

    def answer(self, text: str | None) -> None:
        """Give an answer and go."""
        about, self.about = self.about, ""
        self.display = False
        self.post_message(self.Answered(about, text))

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """Leave everything as it is once another part has the focus: y would mean something else there."""
        if self.display:
            self.app.call_later(
                self.left_behind
            )  # behind a focus that is under way, such as to the next question

    def left_behind(self) -> None:
        """Take the question away, unless it is only the terminal that lost the focus."""
        here = self.is_attached and self.screen is self.app.screen and self.app.app_focus
        if self.display and here and not self.has_focus_within:
            self.answer(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the text."""
        event.stop()
        if event.value.strip():
            self.answer(event.value.strip())

    def action_leave(self) -> None:
        """Leave everything as it is."""
        self.answer(None)
