"""A program in a pseudo-terminal of a fixed size, with the time at which its output came."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence

QUIET_SECONDS = 0.25
"""Without output for so long, a frame is complete."""

_CONTROL = re.compile(
    rb"\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b."
)


class Terminal:
    """Runs one program. `output` is everything that it wrote."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int,
        rows: int,
        environment: Mapping[str, str] = {},
    ) -> None:
        self.output = b""
        self.last = self.began = time.perf_counter()
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            variables = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment}
            for name in ("COLUMNS", "LINES"):
                variables.pop(name, None)
            # The size is set before the program runs, as a terminal emulator does it.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvpe(command[0], list(command), variables)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds: float) -> bytes:
        """Return what comes within `seconds`; empty if nothing does, or if the program has ended."""
        if not select.select([self.descriptor], [], [], max(seconds, 0))[0]:
            return b""
        try:
            data = os.read(self.descriptor, 1 << 20)
        except OSError:
            return b""
        self.last = time.perf_counter()
        self.output += data
        return data

    def first_frame(self, words: str, patience: float = 60) -> float:
        """Return the seconds from the start of the program to the last byte of the frame with these words."""
        deadline = self.began + patience
        while words.encode() not in plain(self.output):
            self.read(0.5)
            if time.perf_counter() > deadline:
                raise TimeoutError(
                    f"never saw {words!r}; the end of what came: {plain(self.output)[-800:]!r}"
                )
        self.settle()
        return self.last - self.began

    def settle(self, most: float = 3.0) -> None:
        """Read until nothing comes any more; a cursor that blinks forever ends the patience."""
        deadline = time.perf_counter() + most
        while time.perf_counter() < deadline and self.read(QUIET_SECONDS):
            pass

    def latency(self, text: str, patience: float = 10) -> float:
        """Type a character that is not on the screen, and return the seconds until it is drawn."""
        wanted = text.encode()
        self.output = b""
        began = time.perf_counter()
        os.write(self.descriptor, wanted)
        while wanted not in self.output:
            self.read(0.1)
            if time.perf_counter() - began > patience:
                raise TimeoutError(f"{text!r} was never drawn")
        return self.last - began

    def close(self) -> None:
        """End the program."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                break
            deadline = time.perf_counter() + 3
            while time.perf_counter() < deadline:
                self.read(0.05)
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    os.close(self.descriptor)
                    return
        os.close(self.descriptor)


def plain(output: bytes) -> bytes:
    """Return the text of an output, without control sequences."""
    return _CONTROL.sub(b"", output)
