"""Read the event files that the ranks of a stage write, while they write them."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from planner.language import say
from runtime.events import EVENT, AnyEvent, Log
from runtime.run.layout import StageFolder
from runtime.run.lines import LineTail


class EventFiles:
    """Follows all event files of one stage; files of more ranks may appear at any time."""

    def __init__(self, folder: StageFolder) -> None:
        self._folder = folder
        self._tails: dict[Path, LineTail] = {}

    def read(self) -> list[AnyEvent]:
        """Return new events of all ranks, oldest first. A line that is no event becomes a warning, once."""
        events: list[AnyEvent] = []
        for path in self._folder.event_files():
            tail = self._tails.setdefault(path, LineTail(path))
            before = tail.line_number
            lines = tail.read()
            events += [self._parse(line, path, before + index) for index, line in enumerate(lines, 1)]
        return sorted(events, key=lambda event: event.t)

    def _parse(self, line: bytes, path: Path, number: int) -> AnyEvent:
        try:
            return EVENT.validate_json(line)
        except ValidationError:
            t = path.stat().st_mtime
            message = say(
                "{file}, line {number}, is not a valid event and was skipped.", file=path.name, number=number
            )
            return Log(t=round(t, 3), stage=self._folder.name, level="warning", message=message)


def all_events(folder: StageFolder) -> list[AnyEvent]:
    """Return all events of the current attempt."""
    files = EventFiles(folder)
    events: list[AnyEvent] = []
    while new := files.read():
        events += new
    return events
