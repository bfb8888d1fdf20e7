"""Lines of JSON between two machines of a run, over one TCP connection; silence tells that one is gone."""

from __future__ import annotations

import json
import selectors
import socket
import threading
import time
from collections import deque
from typing import Any

BEAT_SECONDS = 1.0
PATIENCE_SECONDS = 30.0
"""Silence after which the other machine counts as gone; one that ends closes the connection at once."""
LONGEST_LINE = 1 << 20
READ_BYTES = 1 << 16

Message = dict[str, Any]


class Line:
    """One connection. A thread of its own reads and beats; `take` and `send` are for any thread."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.address: str = connection.getsockname()[0]
        """This machine's address, as the other one sees it."""
        self.gone = ""
        """Why the other side no longer answers: `closed` or `silent`; empty while it does."""
        self._messages: deque[Message] = deque()
        self._sending = threading.Lock()
        self._closing = False
        connection.settimeout(PATIENCE_SECONDS)
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, **message: Any) -> bool:
        """Send one message; return whether it could be sent."""
        try:
            with self._sending:
                self.connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self.gone = self.gone or "closed"
            return False
        return True

    def take(self) -> Message | None:
        """Return the next message, None when there is none yet. Beats are not messages."""
        return self._messages.popleft() if self._messages else None

    def wait(self, seconds: float) -> Message | None:
        """Return the next message, waiting so long for it; None as well when the other side is gone."""
        deadline = time.monotonic() + seconds
        while not self._messages and not self.gone and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.take()

    def close(self) -> None:
        """End the connection."""
        self._closing = True
        self.connection.close()

    def _listen(self) -> None:
        buffer, heard, beaten = b"", time.monotonic(), 0.0
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(self.connection, selectors.EVENT_READ)
                while not self._closing and not self.gone:
                    now = time.monotonic()
                    if now - beaten > BEAT_SECONDS:
                        beaten = now
                        self.send(beat=1)
                    if now - heard > PATIENCE_SECONDS:
                        self.gone = "silent"
                    if not selector.select(BEAT_SECONDS / 4):
                        continue
                    data = self.connection.recv(READ_BYTES)
                    if not data or len(buffer) > LONGEST_LINE:
                        self.gone = "closed"
                    heard, buffer = time.monotonic(), self._cut(buffer + data)
            except (OSError, ValueError, KeyError):
                self.gone = self.gone or "closed"

    def _cut(self, data: bytes) -> bytes:
        """Keep whole messages, return the rest. ValueError for what is not one."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            message = json.loads(line)
            if not isinstance(message, dict):
                raise ValueError("not a message")
            if "beat" not in message:
                self._messages.append(message)
        return rest
