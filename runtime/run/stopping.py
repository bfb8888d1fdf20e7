"""How a stage is stopped: gracefully on the first request, at once on the next, every step announced.

A pause is a graceful stop that is remembered as a pause. Freezing the processes (SIGSTOP) would be quicker,
but it would keep the GPU's memory and the RAM taken, be lost with a reboot or a cluster job, and let the
processes of one training time out on each other. A graceful stop gives everything back, and what is resumed
equals the uninterrupted run number by number. It costs what a resume costs: the model is loaded again, and
a stage other than training begins again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from planner.language import say
from runtime.run.layout import RunFolder
from runtime.run.stage_process import StageProcess
from runtime.run.task import StageTask

KILL_AFTER_SECONDS = 10.0
PAUSE = "pause"


def request(run: RunFolder) -> int:
    """Ask the supervisor of a run to stop, and return how many requests it has been given by now."""
    with run.stop_requests.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"t": round(time.time(), 3)}) + "\n")
    return requests(run)


def pause(run: RunFolder) -> None:
    """Ask the supervisor of a run to pause. Asking again does not press: only `request` does."""
    with run.stop_requests.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"t": round(time.time(), 3), PAUSE: True}) + "\n")


def requests(run: RunFolder) -> int:
    """Return how many requests to stop there were since the supervisor started; all pauses are one."""
    pauses, stops = _asked(run)
    return max(stops, min(pauses, 1))


def is_pause(run: RunFolder) -> bool:
    """Return whether all that was asked for is a pause."""
    pauses, stops = _asked(run)
    return pauses > 0 and stops == 0


def _asked(run: RunFolder) -> tuple[int, int]:
    """Return the requests to pause and to stop; a line that is not finished yet does not count."""
    try:
        lines = run.stop_requests.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return 0, 0
    pauses = sum(f'"{PAUSE}"'.encode() in line for line in lines)
    return pauses, len(lines) - pauses


class Stopper:
    """Turns requests into steps for one running stage."""

    def __init__(self, task: StageTask, process: StageProcess, announce: Callable[[str], None]) -> None:
        self._task = task
        self._process = process
        self._announce = announce
        self._level = 0
        self._asked = self._terminated = 0.0
        self._killed = False

    @property
    def stopping(self) -> bool:
        """Whether the stage was asked to stop."""
        return self._level > 0

    @property
    def forced(self) -> bool:
        """Whether it was not left to stop by itself."""
        return self._terminated > 0

    def update(self, requested: int) -> None:
        """Take the next step if a request or the clock calls for it. Call it often."""
        now = time.monotonic()
        if requested > self._level:
            self._level += 1
            if self._level == 1:
                self._ask(now)
            elif not self._terminated:
                self._terminate(now, say("Asked again"))
            else:
                self._kill(say("Asked again"))
        elif self._terminated and now - self._terminated > KILL_AFTER_SECONDS:
            self._kill(say("It did not end within {seconds:.0f} s", seconds=KILL_AFTER_SECONDS))
        elif self._asked and not self._terminated and now - self._asked > self._task.stop_seconds:
            seconds = self._task.stop_seconds
            self._terminate(now, say("It did not stop within {seconds:.0f} s", seconds=seconds))

    def _ask(self, now: float) -> None:
        self._asked = now
        self._process.folder.stop.touch()
        stage = self._task.stage
        self._announce(say("Stopping {stage} gracefully; asking again ends it at once.", stage=stage))

    def _terminate(self, now: float, why: str) -> None:
        self._terminated = now
        stage = self._task.stage
        words = say("{why}: terminating the processes of {stage} (SIGTERM).", why=why, stage=stage)
        self._announce(words)
        self._process.terminate()

    def _kill(self, why: str) -> None:
        if not self._killed:
            stage = self._task.stage
            self._announce(say("{why}: killing the processes of {stage} (SIGKILL).", why=why, stage=stage))
        self._killed = True
        self._process.kill()
