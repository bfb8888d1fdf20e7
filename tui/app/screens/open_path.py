"""Ask for a plan file or a run folder, with completion of paths."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from planner.language import say, template
from tui.app.keys import Key, KeyFooter


class OpenPathScreen(ModalScreen[str]):
    """Returns what was typed; an empty text for nothing."""

    HELP = template(
        "Type the path of a plan file or a run folder, or the name of a run. Tab completes a path."
    )
    CSS_PATH = "open_path.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Key("escape", "close", template("Cancel"), id="open.close", tooltip=template("Open nothing.")),
    ]

    def __init__(self, folder: Path) -> None:
        """`folder` is where a relative path starts."""
        super().__init__()
        self.folder = folder

    def compose(self) -> ComposeResult:
        """Yield the question and the line."""
        from textual_autocomplete import PathAutoComplete

        with Vertical(id="open-path"):
            yield Static(say("Open a plan or a run"), classes="title", markup=False)
            yield Static(
                say("A plan file, a run folder, or the name of a run. From {folder}.", folder=self.folder),
                classes="muted",
                markup=False,
            )
            line = Input(placeholder="plan.yaml", id="path")
            yield line
        yield PathAutoComplete(line, path=self.folder)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Let the person type at once."""
        self.query_one("#path", Input).focus()

    @on(Input.Submitted, "#path")
    def submitted(self, event: Input.Submitted) -> None:
        """Return it."""
        self.dismiss(event.value.strip())

    def action_close(self) -> None:
        """Return nothing."""
        self.dismiss("")
