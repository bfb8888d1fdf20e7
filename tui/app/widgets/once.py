"""Rich tables and texts worked out once: Textual asks for their height first, and then for their lines."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment


class Once:
    """A renderable that keeps what it was drawn to, for each width. Made anew with every `render`."""

    def __init__(self, content: RenderableType) -> None:
        self._content = content
        self._drawn: dict[int, list[Segment]] = {}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the segments."""
        width = options.max_width
        if width not in self._drawn:
            self._drawn[width] = list(console.render(self._content, options.update(height=None)))
        return iter(self._drawn[width])
