"""Keys that come while an input is being opened wait for it: a fast typist may be ahead of a busy machine.

Without this they would be lost, or be taken for keys of the screen below, where `d` and `r` mean something.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from textual._time import get_time
from textual.events import Event, Key, Paste

if TYPE_CHECKING:
    from textual.app import App
    from textual.timer import Timer

PATIENCE_SECONDS = 2.0
"""After so long the keys are handed on, wherever the focus is."""
LOOK_SECONDS = 0.01


class TypeAhead:
    """Holds keys from `expect` on until something has the focus that had it not before."""

    def __init__(self, app: App[Any], deliver: Callable[[Event], Awaitable[None]]) -> None:
        """`deliver` hands an event on, past this."""
        self._app = app
        self._deliver = deliver
        self._held: list[Key | Paste] = []
        self._before: object = None
        self._until = 0.0
        self._timer: Timer | None = None
        self._ended = 0.0
        """When what was opened last was there, on the clock of events."""

    def expect(self) -> None:
        """Say that something is about to be opened in which a person types."""
        self._before = self._app.focused
        self._until = time.monotonic() + PATIENCE_SECONDS
        if self._timer is None:
            self._timer = self._app.set_interval(LOOK_SECONDS, self._look)

    def takes(self, event: object) -> bool:
        """Return whether an event is a key or a paste that has to wait; it comes again later.

        Those that were handed on already, and that nobody wanted, wait as well: where much is pasted at once,
        the key that opens something is only understood after the rest has been handed to what had the focus.
        """
        if not isinstance(event, Key | Paste):
            return False
        if self._timer is None:
            if not event.is_forwarded or event.time >= self._ended:
                return False
            self._until = 0.0
            self._timer = self._app.set_interval(LOOK_SECONDS, self._look)
        self._held.append(event)
        return True

    async def _look(self) -> None:
        focused = self._app.focused
        opened = focused is not None and focused is not self._before and focused.has_focus
        if not opened and time.monotonic() < self._until:
            return
        self._ended = get_time()
        while self._held:  # what comes meanwhile is held, too, and stays behind
            first = min(self._held, key=lambda event: event.time)
            self._held.remove(first)
            await self._deliver(_anew(first))
        if self._timer is not None:
            self._timer.stop()
            self._timer = self._before = None


def _anew(event: Key | Paste) -> Event:
    """Return an event as if it had just come."""
    return Key(event.key, event.character) if isinstance(event, Key) else Paste(event.text)
