"""Report screen."""

from __future__ import annotations

from textual.screen import Screen

from runtime.run.layout import RunFolder


class ReportScreen(Screen[None]):
    """Report."""

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self.folder = run
