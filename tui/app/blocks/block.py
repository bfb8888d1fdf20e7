"""The small blocks of the conversation: one widget for each kind of entry."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from planner.language import say, template
from tui.app.keys import Key
from tui.app.transcript import Entry

GLYPHS = {
    "greeting": "",
    "explanation": "◆",
    "finding": "◇",
    "note": "·",
    "error": "✗",
    "plan": "▣",
    "page": "▣",
}
"""Kind of an entry -> its sign; colour never says it alone."""


class Block(Static):
    """An entry as it is read. Not focusable: there is nothing to do with it but read."""

    HELP = template("What was said so far. Page up and page down scroll.")

    def __init__(self, entry: Entry) -> None:
        super().__init__(classes=f"block -{entry.kind}", markup=False)
        self.entry = entry

    class Placed(Message):
        """A block has its height now."""

    def on_mount(self) -> None:
        """Say it."""
        self.update(self.words())

    def on_resize(self) -> None:
        """Tell that there is something to scroll to."""
        self.post_message(self.Placed())

    def words(self) -> RenderableType | Content:
        """Return the title and the text."""
        text = self.entry.text()
        title = self.entry.title() if self.entry.title else ""
        glyph = GLYPHS[self.entry.kind]
        if isinstance(text, str):
            head = f"{glyph} " if glyph else ""
            named = f"{say('{title}.', title=title)} " if title else ""
            return Content.assemble((head, "bold"), (named, "bold"), text)
        return Group(Text(f"{glyph} {title}", style="bold"), text) if title else text


class ErrorBlock(Block, can_focus=True):
    """What went wrong, in one sentence; the rest can be copied."""

    HELP = template("What went wrong and what to do. c copies the details for a report.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "c",
            "copy_details",
            template("Copy details"),
            id="error.copy",
            tooltip=template("Copy the whole error with its details."),
        ),
    ]

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry)
        self.tooltip = say("c copies the details.")

    def words(self) -> Content:
        """Return the sentence, and how to get more where there is more."""
        more = f"  {say('(c copies the details)')}" if self.entry.details else ""
        return Content.assemble(("✗ ", "bold $text-error"), str(self.entry.text()), (more, "$faint"))

    def action_copy_details(self) -> None:
        """Copy sentence and details."""
        self.app.copy_to_clipboard("\n".join(filter(None, (str(self.entry.text()), self.entry.details))))
        self.notify(say("Copied."))
