"""Another value for one setting, asked where it stands: choices by letter key, or a number that is checked at
every key."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from planner.errors import BadInput
from planner.language import say, template
from planner.plan import Plan
from planner.setting_values import Setting, check_value, settings
from planner.solve import show
from planner.wishes import Value
from tui.app.keys import Key
from tui.app.widgets.ink import ink
from tui.page import width_of


class Choices(OptionList):
    """Values to choose from; each has a letter."""

    HELP = template("Choose with the arrow keys and enter, or press the letter of a value.")

    def on_key(self, event: events.Key) -> None:
        """A letter chooses at once."""
        index = string.ascii_lowercase.find(event.character or " ")
        if 0 <= index < self.option_count:
            event.stop()
            self.highlighted = index
            self.action_select()


class ValueInput(Input):
    """A number or a text."""

    HELP = template("Type a value. What is wrong with it is said at once; enter plans again with it.")


class SettingEditor(Vertical):
    """Asks for one setting's value; posts `Chosen`, or `Left` when nothing is to change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "escape",
            "leave",
            template("Leave it"),
            id="edit.leave",
            tooltip=template("Leave the setting as it is."),
        )
    ]

    @dataclass
    class Chosen(Message):
        """A valid value was chosen; None leaves the setting to the planner."""

        name: str
        value: Value | None

    @dataclass
    class Left(Message):
        """The setting stays as it is."""

        name: str

    def __init__(self, name: str, plan: Plan, typed: str | None = None) -> None:
        """`typed` is what was typed already, where the editor is opened anew."""
        super().__init__(id="editor")
        self.setting: Setting = settings()[name]
        self.plan = plan
        self.typed = show(plan.value(name)) if typed is None else typed

    def compose(self) -> ComposeResult:
        """Compose what it is, and the choices or the input."""
        name = self.setting.name
        words = Text.assemble((f"{name}  ", "bold"), say(self.setting.meaning))
        yield Static(words, id="editor-title")
        if self.values:
            yield Choices(*self._options(), id="editor-choices")
        else:
            yield ValueInput(self.typed, id="editor-input", placeholder=self.setting.expected)
        yield Static("", id="editor-verdict", markup=False)

    def on_mount(self) -> None:
        """Start at the value that holds."""
        if self.values:
            choices = self.query_one(Choices)
            choices.highlighted = self.values.index(self.plan.value(self.setting.name))
            self._say(say("A letter or enter takes a value, escape leaves it as it is."))
        else:
            self._judge(self.typed)
        self.ask_again()
        self.call_after_refresh(self.scroll_visible, animate=False)

    @property
    def values(self) -> tuple[Value, ...]:
        """The values to choose from; empty for a number or a text."""
        return (True, False) if self.setting.field.annotation is bool else self.setting.choices

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the value."""
        event.stop()
        self.post_message(self.Chosen(self.setting.name, self.values[event.option_index]))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say at once what is wrong with a value."""
        event.stop()
        self.typed = event.value
        self._judge(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take a value that can be taken; an empty one leaves it to the planner."""
        event.stop()
        if not event.value.strip() and self.setting.field.annotation is not str:
            self.post_message(self.Chosen(self.setting.name, None))
        elif self._judge(event.value):
            self.post_message(self.Chosen(self.setting.name, check_value(self.setting.name, event.value)))

    def ask_again(self) -> None:
        """Take the focus, at first or after a refusal: what was typed is still there."""
        self.query_one(Choices if self.values else ValueInput).focus()

    def action_leave(self) -> None:
        """Leave the setting as it is."""
        self.post_message(self.Left(self.setting.name))

    def _judge(self, text: str) -> bool:
        """Show whether a value can be taken, and return it."""
        if not text.strip() and self.setting.field.annotation is not str:
            self._say(say("Empty leaves it to the planner: press enter."))
            return True
        try:
            check_value(self.setting.name, text)
        except BadInput as error:
            self._say(f"✗ {error.sentence()}", wrong=True)
            return False
        self._say(f"✓ {say('Enter plans again with it; escape leaves it as it is.')}")
        return True

    def _say(self, sentence: str, *, wrong: bool = False) -> None:
        verdict = self.query_one("#editor-verdict", Static)
        verdict.set_class(wrong, "-blocks")
        verdict.update(sentence)

    def _options(self) -> list[Option]:
        decision = self.plan.decisions[self.setting.name]
        rejected = {other.value: other.because for other in decision.alternatives}
        return [
            Option(self._option(letter, value, rejected.get(value, "")))
            for letter, value in zip(string.ascii_lowercase, self.values, strict=False)
        ]

    def _option(self, letter: str, value: Value, because: str) -> RenderableType:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=1, style=ink(self, "text-accent", bold=True))
        grid.add_column(width=width_of(show(one) for one in self.values) + 1, style="bold", no_wrap=True)
        grid.add_column(overflow="fold", ratio=1)
        words = Text(because, ink(self, "foreground-muted"))
        if value == self.plan.value(self.setting.name):
            words = Text(f"✓ {say('now')}", ink(self, "text-success"))
        grid.add_row(letter, show(value), words)
        return grid


async def open_again(editors: Iterable[SettingEditor], decisions: Widget, plan: Plan) -> None:
    """Open what was being edited, with what was typed, below its row, after the rows were built anew."""
    for before in editors:
        name = before.setting.name
        await decisions.mount(SettingEditor(name, plan, before.typed), after=f"#row-{name}")
