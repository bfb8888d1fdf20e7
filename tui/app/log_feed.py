"""Read a growing log in the background: the newest lines, those that match, and the line being written.

A thread reads; the screen drains ten times a second what has come together. Between two drains only the
newest lines are kept, so neither a flood of lines nor a slow screen costs memory.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from runtime.run.layout import StageFolder

KEPT_LINES = 5000
"""Lines that a person can scroll back; the file has the rest, and a search reads all of it."""
FIRST_BYTES = 1 << 20
"""How much of the end of a long log is read first; 5,000 lines of 200 characters."""
CHUNK_BYTES = 1 << 20
POLL_SECONDS = 0.1
RANKS_SECONDS = 2.0
"""How often it is looked which ranks have logs: a folder on a network disk may take long to answer."""
LONGEST_LINE = 2000

_ESCAPES = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|"
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)


def collapse(line: str) -> str:
    """Return what a terminal would show of a line: a progress bar's last state, without control codes.

    A carriage return at the very end belongs to the line's end.
    """
    states = line.rstrip("\r").split("\r")
    shown = next((state for state in reversed(states) if state.strip()), states[-1])
    return _ESCAPES.sub("", shown).expandtabs(4)[:LONGEST_LINE].rstrip()


def ranks_of(stage: StageFolder) -> list[int]:
    """Return the ranks of a stage that have a log of their own."""
    numbers = (path.name.rpartition(".")[2] for path in stage.rank_logs())
    return sorted(int(number) for number in numbers if number.isdigit())


class Drained(NamedTuple):
    """What has come together since the last drain."""

    lines: list[str]
    unfinished: str
    """The line being written, such as a progress bar."""
    missed: int
    """Lines that came and went between two drains."""
    fresh: bool
    """Whether the lines begin anew: another search, or the file was replaced."""
    read_bytes: int


class LogFeed:
    """Reads one file until it is closed. `follow` runs in a thread; the rest may be called anywhere."""

    def __init__(self, path: Path, needle: str = "", stage: StageFolder | None = None) -> None:
        """`needle` keeps only the lines that contain it, in any case. `stage` has the logs of ranks."""
        self.path = path
        self.stage = stage
        self.ranks: list[int] = []
        """The ranks that have a log of their own, as the thread found them last."""
        self.needle = needle.casefold()
        self._waiting: deque[str] = deque(maxlen=KEPT_LINES)
        self._came = 0
        self._unfinished = ""
        self._fresh = True
        self._offset: int | None = None
        self._rest = b""
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def close(self) -> None:
        """End the thread soon."""
        self._closed.set()

    def follow(self) -> None:
        """Read until closed."""
        next_ranks = 0.0
        while not self._closed.is_set():
            if self.stage is not None and time.monotonic() >= next_ranks:
                next_ranks = time.monotonic() + RANKS_SECONDS
                self.ranks = ranks_of(self.stage)
            if not self.read_chunk():
                self._closed.wait(POLL_SECONDS)

    def read_chunk(self) -> bool:
        """Take in the next piece of the file; return whether there was one."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                if self._offset is None:
                    self._offset = 0 if self.needle else max(0, size - FIRST_BYTES)
                    self._skip_torn_line = self._offset > 0
                elif size < self._offset:  # another attempt: the file is a new one
                    self._begin_anew()
                file.seek(self._offset or 0)
                chunk = file.read(CHUNK_BYTES)
        except OSError:
            return False
        if not chunk:
            return False
        self._offset = (self._offset or 0) + len(chunk)
        self._take(chunk)
        return True

    def drain(self) -> Drained:
        """Return what has come together, and begin to collect again."""
        with self._lock:
            lines, came, fresh = list(self._waiting), self._came, self._fresh
            self._waiting.clear()
            self._came, self._fresh = 0, False
            return Drained(lines, self._unfinished, came - len(lines), fresh, self._offset or 0)

    def _begin_anew(self) -> None:
        with self._lock:
            self._waiting.clear()
            self._came, self._fresh, self._unfinished = 0, True, ""
        self._offset, self._rest, self._skip_torn_line = 0, b"", False

    def _take(self, chunk: bytes) -> None:
        *complete, rest = (self._rest + chunk).split(b"\n")
        # Only the last state of an unfinished progress bar is kept: it may be rewritten for hours.
        self._rest = rest[rest.rstrip(b"\r").rfind(b"\r") + 1 :]
        if self._skip_torn_line and complete:
            complete, self._skip_torn_line = complete[1:], False
        lines = [collapse(line.decode(errors="replace")) for line in complete]
        if self.needle:
            lines = [line for line in lines if self.needle in line.casefold()]
        with self._lock:
            self._waiting.extend(lines)
            self._came += len(lines)
            self._unfinished = collapse(self._rest.decode(errors="replace"))

    _skip_torn_line = False
