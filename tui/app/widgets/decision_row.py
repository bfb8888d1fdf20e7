"""One decision as a line that opens to its reason, its source and what was rejected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget

from planner.language import say, template
from planner.phrases import size
from planner.setting_values import settings
from planner.solve import show
from tui.app.application import the_app
from tui.app.keys import Key
from tui.app.plan_session import PlanSession
from tui.app.widgets.ink import ink
from tui.explanation import CONCERNS
from tui.forecast_view import PARTS, said

NAME_CELLS = 29
VALUE_CELLS = 16
NARROW_VALUE_CELLS = 12
NARROW = 90
"""Cells of a row below which its columns are tighter."""

OPEN, CLOSED, PIN, MOVED = "▾", "▸", "◆", "●"


class DecisionRow(Widget, can_focus=True):
    """A setting, its value and its reason on one line; opened, everything that is known about it."""

    HELP = template(
        "One decision of the plan. Enter opens it: the reason, what was rejected and the source. e changes "
        "it, p fixes it or leaves it to the planner again."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "enter,space",
            "open",
            template("Open"),
            id="plan.open",
            tooltip=template("Show the reason, what was rejected and the source."),
            show=False,
        ),
        Key(
            "e",
            "edit",
            template("Change"),
            id="plan.edit",
            tooltip=template("Give this setting another value; the plan is made again around it."),
        ),
        Key(
            "p",
            "pin",
            template("Fix"),
            id="plan.pin",
            tooltip=template("Fix the value as it is, or leave it to the planner again."),
            show=False,
        ),
    ]

    @dataclass
    class EditAsked(Message):
        """The person wants to change this setting."""

        row: DecisionRow

    @dataclass
    class PinAsked(Message):
        """The person fixes the setting as it is, or leaves it to the planner again."""

        name: str

    @dataclass
    class Toggled(Message):
        """The row was opened or closed."""

        name: str
        opened: bool

    def __init__(self, setting: str, session: PlanSession, *, opened: bool = False) -> None:
        super().__init__(id=f"row-{setting}", classes="-open" if opened else "")
        self.setting = setting
        self.session = session
        self.opened = opened
        self.matches = True
        """Whether it is found by the filter."""
        self.folded = False
        """Whether it lies in a fold that is closed."""

    def action_open(self) -> None:
        """Open or close the row."""
        self.opened = not self.opened
        self.set_class(self.opened, "-open")
        self.refresh(layout=True)
        self.post_message(self.Toggled(self.setting, self.opened))
        if self.opened:
            self.call_after_refresh(self.scroll_visible)

    def action_edit(self) -> None:
        """Ask for another value."""
        the_app(self).type_ahead.expect()
        self.post_message(self.EditAsked(self))

    def action_pin(self) -> None:
        """Fix the value as it is, or release it."""
        self.post_message(self.PinAsked(self.setting))

    def on_click(self, event: events.Click) -> None:
        """A click opens; the second one of a double click asks for another value."""
        event.stop()
        if event.chain == 1:
            self.action_open()
        elif event.chain == 2:
            self.action_edit()

    def show_again(self) -> None:
        """Be there or not, and marked or not, as the filter, the folds and the last change want it."""
        self.set_class(self.setting in self.session.changed, "-changed")
        self.display = self.matches and not self.folded

    def render(self) -> RenderableType:
        """Return the line, and the whole decision below it when it is open."""
        line = self._line(self.size.width or 80)
        return Group(line, Padding(Group(*self._whole()), (0, 2, 1, 4))) if self.opened else line

    def _line(self, width: int) -> Text:
        decision = self.session.plan.decisions[self.setting]
        before = self.session.before(self.setting)
        mark = OPEN if self.opened else CLOSED
        value = show(decision.value) or "–"
        cells = NARROW_VALUE_CELLS if width < NARROW else VALUE_CELLS
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{mark} ", ink(self, "foreground-muted"))
        line.append(fitted(self.setting, NAME_CELLS), ink(self, "text-primary"))
        line.append(fitted(value, cells), ink(self, "foreground", bold=True))
        if self.session.is_fixed(self.setting):
            line.append(f"{PIN} {say('fixed')}  ", ink(self, "text-accent", bold=True))
        if before is not None:
            was = say("changed, was {value}", value=show(before) or "–")
            line.append(f"{MOVED} {was}  ", ink(self, "text-success", bold=True))
        if not self.opened:
            line.append(decision.because, ink(self, "foreground-muted"))
        line.truncate(width, overflow="ellipsis")
        return line

    def _whole(self) -> Iterator[RenderableType]:
        decision, setting = self.session.plan.decisions[self.setting], settings()[self.setting]
        label, quiet = ink(self, "text-secondary", bold=True), ink(self, "foreground-muted")
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, style=label)
        grid.add_column(overflow="fold", ratio=1)
        grid.add_row(say("Because"), Text(decision.because))
        grid.add_row(say("What it is"), Text(say(setting.meaning)))
        grid.add_row(say("May be"), Text(setting.expected))
        for index, other in enumerate(decision.alternatives):
            words = Text.assemble(
                (f"{show(other.value)}: ", ink(self, "foreground", bold=True)), other.because
            )
            grid.add_row(say("Rejected") if index == 0 else "", words)
        for index, words in enumerate(self._memory()):
            grid.add_row(say("Memory") if index == 0 else "", words)
        grid.add_row(say("Source"), Text(f"{decision.source}  ({decision.rule})", quiet))
        yield grid
        keys = say("e change it · p fix it") if not self.session.is_fixed(self.setting) else ""
        yield Text(keys or say("e change it · p leave it to the planner again"), ink(self, "text-accent"))

    def _memory(self) -> Iterator[Text]:
        parts = self.session.plan.forecast.memory_parts
        for name in CONCERNS.get(self.setting, ()):
            part = parts.get(name)
            if part is not None and part.bytes:
                words = Text.assemble((f"{said(PARTS, name)} {size(part.bytes)}  ", ink(self, "foreground")))
                yield words.append(part.because, ink(self, "foreground-muted"))


def fitted(text: str, cells: int) -> str:
    """Return text in exactly `cells` cells, of which the last is blank; what is too long ends in an
    ellipsis."""
    if cell_len(text) < cells:
        return set_cell_size(text, cells)
    return set_cell_size(set_cell_size(text, cells - 2).rstrip() + "…", cells)
