"""The front end of a run: start its supervisor, show what the journal says, pass requests to stop on.

It never owns the training. Killed, it takes nothing with it; asked to stop, it asks the supervisor and waits.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from subprocess import Popen
from types import FrameType

from planner.errors import ExitCode
from runtime.events import AnyEvent, State
from runtime.run.journal import JournalTail, iterate, to_line
from runtime.run.layout import RunFolder
from runtime.run.status import ENDED
from runtime.run.stopping import request
from runtime.run.task import Table
from runtime.run.view import RunView
from tui.progress import Display, make_display

POLL_SECONDS = 0.1
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Follower:
    """Follows one session of a run, from the start of its supervisor to its end."""

    def __init__(self, run: RunFolder, table: Table, *, events: bool) -> None:
        """Read what happened before this session, so that only what is new is shown."""
        self.run = run
        self.view = RunView()
        for stage in table.stages:
            self.view.stage(stage)
        self._tail = JournalTail(run.journal)
        for event in iterate(self._tail):
            self.view.apply(event)
        self._events = events
        self._display: Display = make_display(run, self.view, quiet=events)
        self._ended = False
        self._requests = 0

    def follow(self, supervisor: Popen[bytes]) -> ExitCode:
        """Show the run until this session ends, and return its exit code."""
        with self._signals_as_requests():
            self._safely(self._display.start)
            try:
                lost = self._watch(supervisor)
            finally:
                self._safely(self._display.stop)
        if lost:
            return ExitCode.STAGE_FAILED
        return ExitCode(supervisor.wait(timeout=60))

    def _watch(self, supervisor: Popen[bytes]) -> bool:
        """Show events until the end; return whether the supervisor vanished without a word."""
        while not self._ended:
            gone = supervisor.poll() is not None
            new = self._tail.read()
            for event in new:
                self._take(event)
            if gone and not new and not self._ended:
                return True
            self._safely(self._display.tick)
            if not new:
                time.sleep(POLL_SECONDS)
        return False

    def _take(self, event: AnyEvent) -> None:
        self.view.apply(event)
        if self._events:
            self._safely(lambda: print(to_line(event), flush=True))
        self._safely(lambda: self._display.event(event))
        if isinstance(event, State) and not event.stage and event.state in ENDED:
            self._ended = True

    def _safely(self, action: Callable[[], None]) -> None:
        """Show something; a terminal or a pipe that is gone turns into a request to stop, once."""
        try:
            action()
        except OSError:
            with contextlib.suppress(OSError):
                sys.stdout = sys.stderr = open("/dev/null", "w")  # noqa: PTH123, SIM115
            if not self._requests:
                self._ask()

    def _ask(self) -> None:
        self._requests += 1
        request(self.run)

    @contextlib.contextmanager
    def _signals_as_requests(self) -> Iterator[None]:
        def handle(number: int, frame: FrameType | None) -> None:
            self._ask()

        before = {number: signal.signal(number, handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
