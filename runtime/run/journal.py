"""The run's append-only log of events, one JSON object per line, on disk before anything else relies on it.

Only the supervisor appends. Every append is fsync'ed. A line cut short by a crash is the only damage that can
happen by itself; it is always the last line, readers ignore it, and the next writer removes it. Damage
anywhere else means that somebody changed the file, and is refused with its line number.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from planner.errors import BadInput, StageFailed
from planner.language import say
from runtime.events import EVENT, AnyEvent
from runtime.run.lines import LineTail

RESERVE_BYTES = 64 << 10


class DiskFull(StageFailed):
    """The journal could not be written because the disk, or the person's quota on it, is full."""


def to_line(event: AnyEvent) -> str:
    """Return the event as one line of JSON, without the newline."""
    return event.model_dump_json()


def parse(line: bytes, path: Path, number: int) -> AnyEvent:
    """Return the event in one line; BadInput naming file and line if it is none."""
    try:
        return EVENT.validate_json(line)
    except ValidationError as error:
        raise BadInput(
            say("{path}, line {number}: not a valid event.", path=path, number=number),
            why=say("The journal was changed or damaged after it was written."),
            remedy=say("Delete that line and resume: whatever is then no longer proven is done again."),
            details=str(error),
        ) from error


class JournalTail:
    """Reads the events that were appended since the last call."""

    def __init__(self, path: Path) -> None:
        self._lines = LineTail(path)

    def read(self) -> list[AnyEvent]:
        """Return new events; a torn last line is left alone."""
        before = self._lines.line_number
        lines = self._lines.read()
        path = self._lines.path
        return [parse(line, path, before + index) for index, line in enumerate(lines, 1)]


def read(path: Path) -> list[AnyEvent]:
    """Return all events; empty if there is no journal yet."""
    tail = JournalTail(path)
    return list(iterate(tail))


def iterate(tail: JournalTail) -> Iterator[AnyEvent]:
    """Yield what a tail has, chunk by chunk, until it is drained."""
    while events := tail.read():
        yield from events


def repair(path: Path) -> int:
    """Finish or remove a torn last line and return how many bytes were removed."""
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        content_bytes = file.seek(0, os.SEEK_END)
        tail_start = _start_of_last_line(path, content_bytes)
        file.seek(tail_start)
        torn = file.read()
        if not torn:
            return 0
        try:
            EVENT.validate_json(torn)
        except ValidationError:
            file.truncate(tail_start)
            removed = len(torn)
        else:
            file.write(b"\n")
            removed = 0
        file.flush()
        os.fsync(file.fileno())
        return removed


def _start_of_last_line(path: Path, size: int) -> int:
    """Return the offset just after the last newline."""
    block = 1 << 16
    with path.open("rb") as file:
        end = size
        while end > 0:
            start = max(0, end - block)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0


class Journal:
    """The one writer of a journal. Opening it repairs a torn last line."""

    def __init__(self, path: Path, reserve: Path | None = None) -> None:
        self.path = path
        self._reserve = reserve
        self.removed_bytes = repair(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._keep_reserve()

    def append(self, *events: AnyEvent) -> None:
        """Write events and wait until they are on disk. DiskFull leaves the file as it was before."""
        self._write(events)

    def append_last_words(self, *events: AnyEvent) -> None:
        """Write events on a full disk, by giving up the reserved block first."""
        if self._reserve is not None:
            self._reserve.unlink(missing_ok=True)
        self._write(events)

    def close(self) -> None:
        """Close the file and give the reserved block back."""
        os.close(self._file)
        if self._reserve is not None:
            self._reserve.unlink(missing_ok=True)

    def _write(self, events: Iterable[AnyEvent]) -> None:
        data = "".join(to_line(event) + "\n" for event in events).encode()
        size = os.fstat(self._file).st_size
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, size)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(
                    say("The disk that holds {folder} is full.", folder=self.path.parent),
                    remedy=say(
                        "Free some space, then: {command}", command=f"steersman resume {self.path.parent}"
                    ),
                ) from error
            raise

    def _keep_reserve(self) -> None:
        """Set a block of disk aside for the last words; without room for it there is nothing to set aside."""
        if self._reserve is None or self._reserve.exists():
            return
        try:
            self._reserve.write_bytes(os.urandom(RESERVE_BYTES))
        except OSError:
            self._reserve.unlink(missing_ok=True)
