"""Know processes for certain: a pid alone may be somebody else's by now, a pid with its creation time is not.

Paddle's launcher gives every trainer a session of its own, so neither the launcher's process group nor, once
it is dead, its list of children finds them. A variable in the environment does: every process of a stage
carries the stage's folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from planner.language import say
from runtime.paths import write_atomically

MARK = "STEERSMAN_STAGE_FOLDER"
RANK = "PADDLE_TRAINER_ID"
"""Set by Paddle's launcher for each trainer."""
CREATION_TOLERANCE_SECONDS = 0.05


@dataclass(frozen=True)
class Identity:
    """A process that cannot be confused with a later one of the same pid."""

    pid: int
    create_time: float

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Return the identity of a living process, or None."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    @classmethod
    def load(cls, path: Path) -> Identity | None:
        """Return the identity recorded in a JSON file, or None if there is none that can be read."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(int(values["pid"]), float(values["create_time"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, path: Path, **more: object) -> None:
        """Record it as JSON, with more fields for the reader."""
        write_atomically(
            path, json.dumps({"pid": self.pid, "create_time": self.create_time, **more}, indent=2) + "\n"
        )

    def process(self) -> psutil.Process | None:
        """Return the process if it still lives; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.create_time) < CREATION_TOLERANCE_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


def members(stage_folder: Path, leader: Identity | None) -> list[psutil.Process]:
    """Return every living process of a stage: its leader, that one's descendants, and all with its mark."""
    found: dict[int, psutil.Process] = {}
    first = leader.process() if leader else None
    if first is not None:
        found[first.pid] = first
        with contextlib.suppress(psutil.Error):
            found.update((child.pid, child) for child in first.children(recursive=True))
    mark = str(stage_folder)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if (
                process.pid not in found
                and process.pid != os.getpid()
                and process.environ().get(MARK) == mark
            ):
                found[process.pid] = process
    return [process for process in found.values() if _is_running(process)]


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to each process that still lives."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def wait_for_end(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until all have ended, at most so long, and return those that still live."""
    deadline = time.monotonic() + seconds
    while alive := [process for process in processes if _is_running(process)]:
        if time.monotonic() > deadline:
            return alive
        time.sleep(0.05)
    return []


def is_stopped(process: psutil.Process) -> bool:
    """Return whether a process is frozen by a signal or a debugger."""
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except psutil.Error:
        return False


def name_of(process: psutil.Process) -> str:
    """Return what a process is called: its rank in the training where it has one, and its pid."""
    try:
        rank = process.environ().get(RANK, "")
        if rank:
            return say("rank {rank} (pid {pid})", rank=rank, pid=process.pid)
        return say("{name} (pid {pid})", name=process.name(), pid=process.pid)
    except (psutil.Error, OSError):
        return say("pid {pid}", pid=process.pid)


def describe(processes: Iterable[psutil.Process], over_seconds: float = 0.5) -> str:
    """Return what each process is doing, in words: its state and how much CPU it used over a short while."""
    watched = list(processes)
    before = {process.pid: _cpu_seconds(process) for process in watched}
    time.sleep(over_seconds)
    parts = []
    for process in watched:
        try:
            share = 100 * (_cpu_seconds(process) - before[process.pid]) / over_seconds
            parts.append(
                say(
                    "{name} is {state}, {share:.0f} % CPU",
                    name=name_of(process),
                    state=process.status(),
                    share=share,
                )
            )
        except psutil.Error:
            continue
    return "; ".join(parts) or say("no process of the stage is left")


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
        return float(times.user + times.system)
    except psutil.Error:
        return 0.0
