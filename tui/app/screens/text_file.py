"""A text file to look at: a config, a command, a log's end."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from planner.language import say, template
from tui.app.keys import Key, KeyFooter

MOST_BYTES = 200 << 10


class TextFileScreen(ModalScreen[None]):
    """The file, read-only; of a long one its end."""

    HELP = template(
        "A file of the run, to be read. Mark text with the mouse or with shift and the arrow keys."
    )
    CSS_PATH = "text_file.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Key("escape,q", "dismiss", template("Close"), id="file.close", tooltip=template("Close the file.")),
        Key("c", "copy", template("Copy"), id="file.copy", tooltip=template("Copy all of it.")),
        Key("p", "copy_path", template("Copy path"), id="file.path", tooltip=template("Copy where it lies.")),
    ]

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def compose(self) -> ComposeResult:
        """Yield the path and the text."""
        yield Static(str(self.path), id="file-path", classes="title", markup=False)
        yield TextArea(read_end(self.path), read_only=True, show_line_numbers=False, id="file-text")
        yield KeyFooter()

    def action_copy(self) -> None:
        """Copy the text."""
        self.app.copy_to_clipboard(self.query_one("#file-text", TextArea).text)
        self.notify(say("Copied."))

    def action_copy_path(self) -> None:
        """Copy the path."""
        self.app.copy_to_clipboard(str(self.path))
        self.notify(say("Copied."))


def read_end(path: Path) -> str:
    """Return the text of a file, of a long one its end; of one that is no text, a sentence."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - MOST_BYTES))
            data = file.read()
    except OSError as error:
        return say("{file} cannot be read: {reason}.", file=path, reason=error.strerror)
    if b"\0" in data[:1024]:
        return say("{file} is not a text file.", file=path)
    return data.decode(errors="replace").replace("\r", "\n")
