"""Turns for everybody: a widget with many messages lets others work in between.

Textual takes the messages that wait for a widget one after the other without a pause. A screen that opens
gets hundreds at once, and two layouts among them: keys would wait for all of it. Measured on the plan screen
(97 settings, two cores, Python 3.11): 0.20 s of CPU time in one turn of the event loop, and 0.12 s with this.
"""

from __future__ import annotations

import asyncio
import time

from textual.message import Message
from textual.message_pump import MessagePump

_BREATHES = "_steersman_breathes"
_HELD = "_steersman_held"

TURN_SECONDS = 0.01
"""Longest work on messages after which others have their turn, unless one message takes longer by itself."""


def breathe(pump: type[MessagePump]) -> None:
    """Let every message loop give way to others after a while; once."""
    if hasattr(pump, _BREATHES):
        return
    dispatch = pump._dispatch_message

    async def breathing(self: MessagePump, message: Message) -> None:
        began = time.monotonic()
        await dispatch(self, message)
        held = getattr(self, _HELD, 0.0) + time.monotonic() - began
        if held > TURN_SECONDS:
            held = 0.0
            await asyncio.sleep(0)
        setattr(self, _HELD, held)

    setattr(pump, _BREATHES, True)
    pump._dispatch_message = breathing  # type: ignore[method-assign]
