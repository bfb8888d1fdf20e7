"""Play a recorded journal through the real app: a run folder that grows as the recorded one did."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from runtime.run import lock
from runtime.run.layout import RunFolder, create_run

FOLDER = Path(__file__).with_name("journals")
NAMES = ("success", "failed", "lost", "stopped")
BEGIN = 1_700_000_000.0
"""When a recording begins, unless told otherwise: 2023-11-14 22:13:20 UTC."""


class Replay:
    """A run folder with as much of a recorded journal as has been played."""

    def __init__(self, name: str, folder: Path, begin: float = BEGIN) -> None:
        self.name = name
        self.run: RunFolder = create_run(folder, (FOLDER / "plan.yaml").read_text(encoding="utf-8"))
        self.begin = begin
        recorded = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8")
        self.waiting: list[dict[str, Any]] = [json.loads(line) for line in recorded.splitlines()]
        self.played: list[dict[str, Any]] = []
        self._lock: int | None = None

    @property
    def at_end(self) -> bool:
        """Whether everything was played."""
        return not self.waiting

    @property
    def now(self) -> float:
        """The time of the last event that was played."""
        return self.begin + (self.played[-1]["t"] if self.played else 0)

    def play(self, count: int | None = None) -> None:
        """Append so many more events to the journal, or all that are left."""
        events, self.waiting = self.waiting[:count], self.waiting[count:] if count is not None else []
        with self.run.journal.open("a", encoding="utf-8") as file:
            for event in events:
                line = json.dumps({**event, "t": self.begin + event["t"]}, ensure_ascii=False)
                file.write(line.replace("@RUN@", str(self.run.root)) + "\n")
        self.played += events
        for stage in dict.fromkeys(event["stage"] for event in events if event["stage"]):
            self._write_log(stage)

    def play_until(self, **wanted: Any) -> None:
        """Play up to and with the first event that has these fields; a `step` may be passed by."""
        while self.waiting:
            self.play(1)
            last = self.played[-1]
            if all(last.get(key) == value for key, value in wanted.items()):
                return
        raise AssertionError(f"{self.name} has no event {wanted}")

    def live(self) -> None:
        """Let the run look alive: its supervisor's lock is held by this process."""
        self._lock = lock.acquire(self.run.lock)

    def die(self) -> None:
        """Let go of the lock, as the kernel does for a supervisor that is gone."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _write_log(self, stage: str) -> None:
        recorded = FOLDER / "logs" / self.name / f"{stage}.txt"
        place = self.run.stage(stage).log
        if recorded.exists() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(recorded.read_bytes())
