"""What happens when something goes wrong that nobody foresaw: the app stays, and a person can report it."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from planner.language import say, template
from tui.app.keys import Key, KeyFooter


def write_log(error: BaseException) -> tuple[Path | None, str]:
    """Save the traceback; return the file (None where the data folder cannot be written) and the text."""
    from runtime.paths import home, write_atomically

    text = "".join(traceback.format_exception(error))
    log = home() / "logs" / f"unforeseen-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    try:
        write_atomically(log, text)
    except OSError:
        return None, text
    return log, text


class UnforeseenScreen(ModalScreen[None]):
    """One sentence, where the details are, and a key to copy them."""

    HELP = template("Something went wrong that nobody foresaw. Your answers and runs are safe.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "c",
            "copy",
            template("Copy details"),
            id="unforeseen.copy",
            tooltip=template("Copy the traceback, for a report."),
        ),
        Key(
            "escape,enter",
            "dismiss",
            template("Go on"),
            id="unforeseen.close",
            tooltip=template("Close this and go on."),
        ),
    ]

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.sentence = f"{type(error).__name__}: {error}"
        self.log_file, self.details = write_log(error)

    def compose(self) -> ComposeResult:
        """Yield the sentence and where the details are."""
        place = str(self.log_file) if self.log_file else say("nowhere: the data folder cannot be written")
        with Vertical(id="unforeseen"):
            yield Static(f"✗ {say('Something unforeseen went wrong')}", classes="title", markup=False)
            yield Static(self.sentence[:400], markup=False)
            yield Static(say("The details are in {place}.", place=place), classes="muted", markup=False)
            yield Static(
                say("Your answers are kept and runs go on. Please report it; c copies the details."),
                classes="muted",
                markup=False,
            )
        yield KeyFooter()

    def action_copy(self) -> None:
        """Copy the traceback."""
        self.app.copy_to_clipboard(self.details)
        self.notify(say("Copied."))
