"""Chat screen."""

from __future__ import annotations

from textual.screen import Screen

from runtime.run.layout import RunFolder


class ChatScreen(Screen[None]):
    """Chat."""

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self.folder = run
