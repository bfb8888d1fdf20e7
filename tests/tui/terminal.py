"""A command in a pseudo-terminal, for tests that type."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
from pathlib import Path

PATIENCE = 60
"""Seconds after which a terminal that says nothing fails the test."""


class Terminal:
    """A command in a pseudo-terminal, and what it has printed."""

    def __init__(self, command: list[str], folder: Path) -> None:
        master, slave = pty.openpty()
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "100"}
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.master = master
        self.text = ""

    def until(self, words: str) -> str:
        """Return what was printed up to `words`, which must come; it is taken off."""
        while words not in self.text:
            self.text += self.read()
        before, _, self.text = self.text.partition(words)
        return before + words

    def read(self) -> str:
        """Return what there is, which must come in time; `OSError` at the end."""
        ready, _, _ = select.select([self.master], [], [], PATIENCE)
        assert ready, f"nothing more after {self.text[-2000:]!r}"
        data = os.read(self.master, 65536).decode("utf-8", "replace")
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", data).replace("\r\n", "\n")

    def type(self, line: str) -> None:
        """Type a line and enter."""
        os.write(self.master, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self.master, b"\x03")

    def end(self) -> int:
        """Return the exit code, once the command has ended."""
        while True:
            try:
                self.text += self.read()
            except OSError:  # the other side is closed
                return self.process.wait(PATIENCE)
