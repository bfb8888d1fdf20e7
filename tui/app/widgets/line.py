"""Text of a fixed height that changes often: drawn only when it differs, and nothing is laid out again."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static


class Line(Static):
    """A line that may be said ten times a second. Its height is given by the style sheet."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - the word of Textual
        super().__init__(id=id, markup=False)
        self._said: Text | None = None

    def say(self, text: Text) -> None:
        """Show this text."""
        if self._said is not None and (text.plain, text.style) == (self._said.plain, self._said.style):
            return
        self._said = text
        self.update(text, layout=False)
