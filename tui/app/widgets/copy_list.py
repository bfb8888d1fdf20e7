"""A list of things to copy: what each is, and below it the command or path. Enter copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.binding import BindingType
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from planner.language import say, template
from tui.app.keys import Key
from tui.app.widgets.ink import ink


class CopyList(OptionList):
    """Commands or paths; the one under the cursor is copied by enter or c."""

    HELP = template("Enter copies the command or path under the cursor to the clipboard.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "enter,c",
            "select",
            template("Copy"),
            id="copies.copy",
            tooltip=template("Copy the command or path under the cursor."),
        ),
    ]

    def __init__(self, entries: Sequence[tuple[str, str]], *, sign: str = "") -> None:
        """`entries` are (what, text to copy); `sign` stands before each text."""
        super().__init__(markup=False, compact=True)
        self.entries = list(entries)
        self.sign = sign

    def on_mount(self) -> None:
        """List the entries."""
        for what, text in self.entries:
            line = Text(overflow="fold")
            line.append(f"{what}\n", ink(self, "text-muted"))
            line.append(f"  {self.sign}", ink(self, "text-accent"))
            line.append(text)
            self.add_option(Option(line))

    def on_focus(self) -> None:
        """Show which one enter would copy."""
        if self.highlighted is None and self.entries:
            self.highlighted = 0

    @on(OptionList.OptionSelected)
    def copy(self, event: OptionList.OptionSelected) -> None:
        """Copy one."""
        event.stop()
        text = self.entries[event.option_index][1]
        self.app.copy_to_clipboard(text)
        self.notify(say("Copied: {text}", text=text), markup=False)
