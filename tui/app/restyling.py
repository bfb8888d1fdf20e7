"""Another theme in steps: every node of every screen gets its styles anew, keys are answered in between."""

from __future__ import annotations

import asyncio
from typing import Any

from textual.app import App

NODES_AT_ONCE = 60
"""Nodes that are styled in one turn of the event loop: about 20 ms of CPU time."""


def few_nodes(app: App[Any]) -> bool:
    """Return whether there is so little to style that it may as well be done at once."""
    return sum(len(screen.query("*")) for screen in app.screen_stack) <= NODES_AT_ONCE


async def restyle(app: App[Any]) -> None:
    """Apply the style sheets to all screens, from the one on top to what lies below.

    A screen is drawn once all of it is styled: nobody sees two themes at a time."""
    app.stylesheet.update_nodes([app])
    for screen in reversed(app.screen_stack):
        with app.batch_update():
            nodes = list(screen.walk_children(with_self=True))
            for first in range(0, len(nodes), NODES_AT_ONCE):
                some = nodes[first : first + NODES_AT_ONCE]
                app.stylesheet.update_nodes(node for node in some if node.is_attached)
                await asyncio.sleep(0)
        screen.refresh()
