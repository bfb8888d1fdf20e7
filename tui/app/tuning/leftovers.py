"""What is drawn is let go when it is drawn anew or closed, and not only when cycles are looked for.

Textual 8.2 keeps pictures of widgets in three places longer than it needs them. Measured with a plan of 97
settings at 160x50: each that was opened and closed left 84,000 objects behind, 67,000 of them for its
pictures, and a collection of everything held the event loop for 0.17 s; with this 0.06 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from textual._styles_cache import StylesCache
from textual.strip import Strip
from textual.widget import Widget

_LETS_GO = "_steersman_lets_go"


def let_go() -> None:
    """Let pictures go as soon as nobody looks at them; once."""
    if not hasattr(Widget, _LETS_GO):
        setattr(Widget, _LETS_GO, True)
        _forget_colours()
        _forget_oneself()
        _forget_when_closed()


def _forget_colours() -> None:
    """Two colours are remembered for each widget, and with them the widget's lines: a cached method keeps the
    objects that it was called on, here up to 1,024 (`StylesCache.get_inner_outer`)."""
    plain = StylesCache.get_inner_outer.__wrapped__
    cached = lru_cache(1024)(lambda base, background: plain(StylesCache, base, background))
    setattr(StylesCache, "get_inner_outer", staticmethod(cached))  # noqa: B010 - mypy refuses a plain one


def _forget_oneself() -> None:
    """A line as wide as what it is cut for remembers itself as its only piece: a cycle, which keeps its
    segments and seven caches until cycles are looked for (`Strip.divide`)."""
    divide = Strip.divide

    def divide_others(strip: Strip, cuts: Iterable[int]) -> Sequence[Strip]:
        wanted = list(cuts)
        return [strip] if wanted == [strip.cell_length] else divide(strip, wanted)

    setattr(Strip, "divide", divide_others)  # noqa: B010


def _forget_when_closed() -> None:
    """A closed widget forgets the lines inside its border, but not those with it (`Widget._styles_cache`)."""
    exit_loop = Widget._message_loop_exit

    async def exit_and_forget(widget: Widget) -> None:
        await exit_loop(widget)
        widget._styles_cache.clear()

    setattr(Widget, "_message_loop_exit", exit_and_forget)  # noqa: B010
