"""Ask for a plan file or a run folder, with completion of paths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.geometry import Offset
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from planner.language import say, template
from tui.app.keys import Key, KeyFooter
from tui.app.widgets.completing import paths
from tui.app.widgets.prompt import Completion

OPENABLE = ("/", ".yaml", ".yml")
"""How folders and plan files end, which are offered; any other file can be typed."""
MOST_RUNS = 40
"""Runs that are offered, the last ones."""


class PathInput(Input):
    """Where the path is typed."""

    HELP = template("Enter opens what is typed. Up and down move among what it could become, tab takes one.")


class CompletionBelow(Completion):
    """Offers completions below the line: above it there is no room."""

    def _align_to_target(self) -> None:
        x, y = self.target.cursor_screen_offset
        width, _ = self.option_list.outer_size
        self.absolute_offset = Offset(max(0, min(x - 1, self.screen.size.width - width)), y + 1)


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
        self.runs: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Yield the question and the line."""
        with Vertical(id="open-path"):
            yield Static(say("Open a plan or a run"), classes="title", markup=False)
            yield Static(
                say("A plan file, a run folder, or the name of a run. From {folder}.", folder=self.folder),
                classes="muted",
                markup=False,
            )
            yield PathInput(placeholder="plan.yaml", id="path")
        yield CompletionBelow("#path", self.offers, self.words)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Let the person type at once."""
        self.run_worker(self.find_runs, thread=True)
        self.query_one("#path", Input).focus()

    def find_runs(self) -> None:
        """Look which runs there are, in a thread."""
        self.runs = run_names()

    def offers(self, text: str) -> Sequence[str]:
        """Return folders, plan files and names of runs that a text could become."""
        if not text:
            return ()
        return [*(path for path in paths(text, self.folder) if path.endswith(OPENABLE)), *self.runs]

    def words(self, line: str) -> str:
        """Return what a completion is, where its name does not say it."""
        return say("run") if line in self.runs else ""

    @on(Input.Submitted, "#path")
    def submitted(self, event: Input.Submitted) -> None:
        """Return it."""
        self.dismiss(event.value.strip())

    def action_close(self) -> None:
        """Return nothing."""
        self.dismiss("")


def run_names() -> tuple[str, ...]:
    """Return the names of the last runs."""
    from runtime.run.layout import list_runs

    return tuple(run.name for run in list_runs()[:MOST_RUNS])
