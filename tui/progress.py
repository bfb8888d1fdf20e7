"""Show a run while it goes: a live picture in a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live

from runtime.events import AnyEvent
from runtime.run.layout import RunFolder
from runtime.run.view import RunView
from tui.estimate import Expected, expected
from tui.progress_lines import PlainLines, sentence
from tui.progress_stages import picture

REFRESHES_PER_SECOND = 4


class Display(Protocol):
    """Something that shows a run under way."""

    def start(self) -> None:
        """Begin to show."""

    def event(self, event: AnyEvent) -> None:
        """Show an event that the view already knows."""

    def tick(self) -> None:
        """Time has passed."""

    def say(self, text: str) -> None:
        """Show one sentence of the front end's own."""

    def stop(self) -> None:
        """End; what was shown stays."""


class LivePicture:
    """Redraws stages, bars and figures in place; sentences scroll by above."""

    def __init__(self, name: str, view: RunView, forecast: Expected, console: Console) -> None:
        self.name = name
        self.view = view
        self.forecast = forecast
        self.console = console
        self._live = Live(
            get_renderable=self._picture,
            console=console,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=False,
        )

    def start(self) -> None:
        """Begin to draw."""
        self._live.start()

    def event(self, event: AnyEvent) -> None:
        """Let a sentence scroll by above the picture."""
        text = sentence(event)
        if text and event.kind != "state":
            self.console.print(text, highlight=False, markup=False)

    def tick(self) -> None:
        """Nothing: the picture redraws itself."""

    def say(self, text: str) -> None:
        """Let a sentence scroll by above the picture."""
        self.console.print(text, highlight=False, markup=False)

    def stop(self) -> None:
        """Draw a last time and leave the picture where it is."""
        self._live.stop()

    def _picture(self) -> RenderableType:
        return picture(self.name, self.view, self.forecast, time.time(), min(self.console.width, 120))


class Quiet:
    """Shows nothing but the front end's own sentences: events go elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def start(self) -> None:
        """Nothing."""

    def event(self, event: AnyEvent) -> None:
        """Nothing."""

    def tick(self) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Print one sentence."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def stop(self) -> None:
        """Nothing."""


def make_display(run: RunFolder, view: RunView, *, quiet: bool) -> Display:
    """Return what suits the place where it is shown. Everything that it writes goes to stderr."""
    console = Console(stderr=True)
    if quiet:
        return Quiet(console)
    forecast = expected(run)
    if console.is_terminal and sys.stdout.isatty() and not console.is_dumb_terminal:
        return LivePicture(run.name, view, forecast, console)
    return PlainLines(view, forecast, sys.stderr)
