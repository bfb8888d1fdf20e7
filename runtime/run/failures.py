"""Turn a failed stage into one sentence with a remedy.

The words are data: `recipes/failures.yaml`. This module finds the text to look them up with: the earliest
traceback of any rank (later ones are mostly other ranks complaining that the first is gone), the worker's own
words, the exit code.
"""

from __future__ import annotations

import functools
import itertools
import re
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from planner.language import say
from runtime.events import AnyEvent, Error
from runtime.paths import PROJECT
from runtime.run.layout import StageFolder

TABLE = PROJECT / "recipes" / "failures.yaml"
TAIL_BYTES = 64 << 10
LONGEST_TRACEBACK_LINES = 400
LINES_AFTER = 60
FULL_DISK_BYTES = 256 << 10
TRACEBACK_START = b"Traceback (most recent call last):"
STAMP = re.compile(rb"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)")


class Row(BaseModel):
    """One known failure. `what` and `remedy` are templates; `{detail}` is what the pattern named so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    what: str
    remedy: str
    source: str
    pattern: str | None = None
    signal: int | None = None
    consequence: bool = False


@dataclass(frozen=True)
class Traceback:
    """One traceback in a log."""

    path: Path
    line_number: int
    stamp: str
    """Latest time that the log names before it; empty if none."""
    text: str
    after: str
    """The lines that follow; Paddle prints the message of its C++ part there."""

    @property
    def last_line(self) -> str:
        """The exception and its message."""
        return self.text.rstrip().rsplit("\n", 1)[-1].strip()


@dataclass(frozen=True)
class Failure:
    """A failed stage in words."""

    what: str
    why: str
    remedy: str
    log_path: str
    row: str = ""
    """Id of the row of the table; empty for a failure that it does not know, or that the worker explained."""


@functools.cache
def table() -> tuple[Row, ...]:
    """Return the known failures, in the order in which they are tried."""
    return tuple(Row.model_validate(row) for row in yaml.safe_load(TABLE.read_text(encoding="utf-8")))


@functools.cache
def consequences() -> frozenset[str]:
    """Return the ids of failures that follow from another process's: the first one is gone."""
    return frozenset(row.id for row in table() if row.consequence)


def explain(
    folder: StageFolder,
    exit_code: int | None,
    events: Iterable[AnyEvent] = (),
    *,
    free_bytes: int | None = None,
) -> Failure:
    """Return what went wrong: `events` are the failed attempt's, `free_bytes` is what its disk has left."""
    said = sorted((event for event in events if isinstance(event, Error)), key=lambda event: event.t)
    tracebacks = earliest_first(find_tracebacks(folder))
    first = next((found for found in tracebacks if not _is_consequence(found.last_line)), None)
    first = first or (tracebacks[0] if tracebacks else None)
    log_path = str(first.path if first else folder.log)
    if said and said[0].remedy:
        return Failure(said[0].what, said[0].why, said[0].remedy, log_path)
    row, match = _look_up(folder, exit_code, said, first)
    if free_bytes is not None and free_bytes < FULL_DISK_BYTES:
        row, match = next(row for row in table() if row.id == "disk-full"), None
    last_line = first.last_line if first else ""
    if row is not None:
        detail = (match.groupdict().get("detail") if match else None) or ""
        return Failure(say(row.what, detail=detail), _why(said, last_line), say(row.remedy), log_path, row.id)
    remedy = say("The whole log: {path}.", path=log_path)
    if said:
        return Failure(said[0].what, said[0].why or _quoted(last_line), remedy, log_path)
    what = say("The stage {stage} failed: {ending}.", stage=folder.name, ending=ending(exit_code))
    return Failure(what, _quoted(last_line), remedy, log_path)


def of_proof(problem: str, folder: StageFolder, events: Iterable[AnyEvent]) -> Failure:
    """Return what went wrong when a proof does not hold; the worker may know why, and what to do."""
    log_path = str(folder.log)
    said = next((event for event in events if isinstance(event, Error) and event.remedy), None)
    if said is None:
        return Failure(problem, "", say("The evidence is in {path}.", path=log_path), log_path)
    return Failure(said.what, said.why or problem, said.remedy, log_path)


def ending(exit_code: int | None) -> str:
    """Return how a process ended, in words."""
    if exit_code is None:
        return say("its process is gone")
    if exit_code >= 0:
        return say("its process ended with exit code {code}", code=exit_code)
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        return say("its process was ended by signal {number}", number=-exit_code)
    return say("its process was ended by {signal}", signal=name)


def find_tracebacks(folder: StageFolder) -> list[Traceback]:
    """Return the first traceback of every log of the stage."""
    logs = [*folder.rank_logs(), folder.log]
    return [found for log in logs if (found := first_traceback(log)) is not None]


def earliest_first(tracebacks: Iterable[Traceback]) -> list[Traceback]:
    """Sort by the time that the logs name; those without a time come last, in the order given."""
    return sorted(tracebacks, key=lambda found: found.stamp or "9999")


def first_traceback(log: Path) -> Traceback | None:
    """Return the first traceback in a log; chained ones ("During handling...") belong to it."""
    stamp = b""
    try:
        with log.open("rb") as file:
            for number, line in enumerate(file, 1):
                found = STAMP.search(line)
                if found:
                    stamp = found.group(1)
                if TRACEBACK_START in line:
                    text = b"".join(_traceback_lines(line, file)).decode(errors="replace")
                    after = b"".join(itertools.islice(file, LINES_AFTER)).decode(errors="replace")
                    return Traceback(log, number, stamp.decode().replace("T", " "), text, after)
    except OSError:
        return None
    return None


def _traceback_lines(start: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines of a traceback: frames are indented; the first line that is not is the exception."""
    yield start
    for _ in range(LONGEST_TRACEBACK_LINES):
        line = next(rest, b"")
        yield line
        if not line or (line.strip() and not line.startswith((b" ", b"\t"))):
            return


def _look_up(
    folder: StageFolder, exit_code: int | None, said: list[Error], first: Traceback | None
) -> tuple[Row | None, re.Match[str] | None]:
    """Return the row that fits: by words and traceback (without one: the end of the logs), then by signal."""
    words = "\n".join(f"{event.what} {event.why}" for event in said)
    evidence = f"{first.text}\n{first.after}" if first else _ends_of_logs(folder)
    texts = [words, evidence]
    for consequence in (False, True):
        for text in texts:
            for row in table():
                if row.pattern and row.consequence == consequence and (match := re.search(row.pattern, text)):
                    return row, match
        if not consequence and exit_code is not None and exit_code < 0:
            for row in table():
                if row.signal == -exit_code:
                    return row, None
    return None, None


def _is_consequence(text: str) -> bool:
    return any(row.consequence and row.pattern and re.search(row.pattern, text) for row in table())


def _ends_of_logs(folder: StageFolder) -> str:
    return "\n".join(_end_of(log) for log in [*folder.rank_logs(), folder.log])


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _why(said: list[Error], last_line: str) -> str:
    return said[0].what if said else _quoted(last_line)


def _quoted(line: str) -> str:
    return say("It ended with: {line}", line=line[:300]) if line else ""
