"""Sentences about a moment that has passed, said again in another language as they were then."""

from __future__ import annotations

from collections.abc import Callable

from planner.language import current
from tui.app.transcript import Said


def kept(text: str, again: Callable[[], str]) -> Said:
    """Return a sentence that keeps its words in the language in which it was said; in another one it is what
    `again()` says, which knows only what was known then."""
    language = current()
    return lambda: text if current() == language else again()
