"""Two turns of the event loop for one change: where everything stands, and then how it looks.

Textual works out the layout of a screen and draws it in one go. Measured on the plan screen (160x50, two
cores, Python 3.11): 0.05 s of CPU time each, so that a key waited for 0.1 s; now it comes between them.
"""

from __future__ import annotations

import asyncio
from typing import Any

from textual.geometry import Size
from textual.screen import Screen

_DRAWS_LATER = "_steersman_draws_later"
_TO_DRAW = "_steersman_to_draw"


def draw_later(kind: type[Screen[Any]]) -> None:
    """Let every screen give way to others between its layout and its picture; once."""
    if hasattr(kind, _DRAWS_LATER):
        return
    lay_out, draw = kind._refresh_layout, kind._compositor_refresh

    def lay_out_first(screen: Screen[Any], size: Size | None = None, scroll: bool = False) -> None:
        if not getattr(screen, _TO_DRAW, False):
            setattr(screen, _TO_DRAW, True)
            asyncio.get_running_loop().call_soon(draw_now, screen)
        lay_out(screen, size, scroll)

    def draw_unless_soon(screen: Screen[Any]) -> None:
        if not getattr(screen, _TO_DRAW, False):
            draw(screen)

    def draw_now(screen: Screen[Any]) -> None:
        setattr(screen, _TO_DRAW, False)
        if not screen.is_attached or not screen.is_current:
            return
        if screen.app._batch_count:
            screen.refresh()  # a change of several steps began: what is drawn during one is lost
            return
        try:
            draw(screen)
        except Exception as error:
            screen.app._handle_exception(error)

    for name, value in (
        (_DRAWS_LATER, True),
        (lay_out.__name__, lay_out_first),
        (draw.__name__, draw_unless_soon),
    ):
        setattr(kind, name, value)
