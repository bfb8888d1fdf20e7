"""Keeps message loops alive: an exception in a handler is shown, and the widget goes on.

Textual ends the loop of the widget in which a handler failed, and then the app. An app that watches a
training for days must not go down for a mistake in a tooltip.
"""

from __future__ import annotations

from typing import Any

from textual._context import active_app
from textual.message import Message
from textual.message_pump import MessagePump

_SHIELDED = "_steersman_shielded"


def shield(pump: type[MessagePump]) -> None:
    """Make every message loop of apps that want to stay up (`stays_up`) survive its handlers; once."""
    if hasattr(pump, _SHIELDED):
        return
    dispatch = pump._dispatch_message

    async def shielded(self: MessagePump, message: Message) -> None:
        try:
            await dispatch(self, message)
        except Exception as error:
            app: Any = active_app.get()
            if not getattr(app, "stays_up", False) or not app.show_unforeseen(error):
                raise

    setattr(pump, _SHIELDED, True)
    pump._dispatch_message = shielded  # type: ignore[method-assign]
