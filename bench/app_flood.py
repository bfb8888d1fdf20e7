"""The Run screen of a run whose log grows fast: started by `bench.app` in a terminal of its own.

Below the screen stands a line to type in, so that a key can be followed to the screen.
"""

from __future__ import annotations

import sys
from pathlib import Path

from textual.app import ComposeResult
from textual.widgets import Input, TabbedContent

from planner.language import use_everywhere
from runtime.run.layout import RunFolder
from tui.app import application
from tui.app.application import SteersmanApp
from tui.app.screens import run
from tui.app.screens.run import RunScreen

READY = "type here"


class Flooded(RunScreen):
    """The Run screen at its log, with a line to type in."""

    CSS_PATH = str(Path(run.__file__).with_name("run.tcss"))

    def compose(self) -> ComposeResult:
        """Yield the screen and the line."""
        yield from super().compose()
        echo = Input(placeholder=READY, compact=True)
        echo.styles.dock = "bottom"
        yield echo

    def on_mount(self) -> None:
        """Show the log and wait for keys."""
        super().on_mount()
        self.query_one(TabbedContent).active = "log-tab"
        self.call_after_refresh(self.query(Input).last().focus)


class FloodedApp(SteersmanApp):
    """Opens that screen at once."""

    CSS_PATH = str(Path(application.__file__).with_name("steersman.tcss"))

    def on_ready(self) -> None:
        """Open it."""
        screen = Flooded(RunFolder(Path(sys.argv[1])))
        screen.chosen = "train"
        self.push_screen(screen)


if __name__ == "__main__":
    use_everywhere("en")
    FloodedApp().run()
