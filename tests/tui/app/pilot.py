"""Drive the app in tests: wait for what will happen, never for a time; look at what is on screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual import events
from textual.app import App
from textual.pilot import Pilot
from textual.widget import Widget

TO_TYPE = {
    " ": "space",
    "/": "slash",
    ".": "full_stop",
    "-": "minus",
    "?": "question_mark",
    "=": "equals_sign",
    "_": "underscore",
}
"""Characters whose keys have names."""


def typed(app: App[Any], text: str) -> None:
    """Give the app these letters as keys, one right after the other: a pilot takes 0.1 s for each."""
    for letter in text:
        app.post_message(events.Key(TO_TYPE.get(letter, letter), letter))


async def until(pilot: Pilot[Any], condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until `condition()` is true, letting the app work in between."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await pilot.pause()
        await asyncio.sleep(0.02)
    await pilot.pause()


def text_of(widget: Widget) -> str:
    """Return what is on the screen where a widget is, with everything inside it."""
    region = widget.region
    strips = widget.screen._compositor.render_strips(widget.app.size)
    shown = (strip.crop(region.x, region.right) for strip in strips[region.y : region.bottom])
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in shown)


def screen_text(pilot: Pilot[Any]) -> str:
    """Return everything that is on the screen, as lines of text."""
    app = pilot.app
    strips = app.screen._compositor.render_strips(app.size)
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


def picture(pilot: Pilot[Any], path: Path) -> None:
    """Save a screenshot as SVG, to be looked at."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(pilot.app.export_screenshot(), encoding="utf-8")
