"""Lines on the screen that are cheap to make: a screen of 160x50 is put together from 3,000 to 4,000 of them.

Textual 8.2 gives each line seven caches, of which one or two are ever used. Measured with a plan at 160x50:
they were 20,000 to 27,000 objects for the collector of cycles, and a fifth of the time to draw the screen.
"""

from __future__ import annotations

from typing import Any

from textual import strip
from textual.cache import FIFOCache
from textual.strip import Strip


def make_lines_lean() -> None:
    """Let a line make a cache when it first looks into it; once."""
    if vars(strip)["FIFOCache"] is not _size_of_a_cache:
        for name in Strip.__slots__:
            if name.endswith("_cache"):
                setattr(Strip, name, _CacheOnDemand(vars(Strip)[name]))
        setattr(strip, "FIFOCache", _size_of_a_cache)  # noqa: B010 - mypy refuses a plain one


def _size_of_a_cache(size: int) -> int:
    """Stand for a cache that nobody has looked into yet."""
    return size


class _CacheOnDemand:
    """A slot of a line that holds a cache, or the size of one until it is wanted."""

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __get__(self, line: Strip | None, kind: type[Strip]) -> Any:
        held = self._slot.__get__(line, kind)
        if type(held) is int:
            held = FIFOCache(held)
            self._slot.__set__(line, held)
        return held

    def __set__(self, line: Strip, value: Any) -> None:
        self._slot.__set__(line, value)
