"""Work in the background: owned by the app, never by a screen, so that leaving a screen ends nothing.

A job is a plain function that runs in a thread and returns a value. Its progress, result or refusal is posted
to the widget that asked, as long as that widget is still there.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual.message_pump import MessagePump

from planner.errors import Interrupted, SteersmanError
from planner.language import say
from tui.app.messages import Cancelled, Refused, Worked, Working

if TYPE_CHECKING:
    from textual.app import App


class Reporter:
    """What a job is given: says how far it is, and ends the job when it was cancelled."""

    def __init__(self, job: str, asker: MessagePump) -> None:
        self._job = job
        self._asker = asker
        self._stop = threading.Event()

    def cancel(self) -> None:
        """End the job at its next word."""
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        """Whether the job was cancelled."""
        return self._stop.is_set()

    def say(self, sentence: str) -> None:
        """Post one sentence; raises `Interrupted` in a job that was cancelled."""
        self.progress(0, 0, "", sentence)

    def progress(self, done: float, total: float, unit: str, message: str) -> None:
        """Post how far the job is; raises `Interrupted` in a job that was cancelled."""
        if self.cancelled:
            raise Interrupted(say("Cancelled."))
        self._asker.post_message(Working(self._job, message, done, total, unit))


class Work:
    """All jobs of one app. A job of a name that runs already replaces it."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._running: dict[str, Reporter] = {}

    def start(self, job: str, asker: MessagePump, task: Callable[[Reporter], Any]) -> Reporter:
        """Run `task` in a thread and post `Working`, then `Worked`, `Refused` or `Cancelled` to `asker`."""
        self.cancel(job)
        reporter = Reporter(job, asker)
        self._running[job] = reporter
        self._app.run_worker(
            lambda: self._run(job, asker, task, reporter),
            name=job,
            group="work",
            thread=True,
            exit_on_error=False,
        )
        return reporter

    def cancel(self, job: str) -> bool:
        """End a job at its next word; return whether there was one."""
        reporter = self._running.pop(job, None)
        if reporter is not None:
            reporter.cancel()
        return reporter is not None

    @property
    def jobs(self) -> tuple[str, ...]:
        """Names of the jobs under way."""
        return tuple(self._running)

    def _run(self, job: str, asker: MessagePump, task: Callable[[Reporter], Any], reporter: Reporter) -> None:
        try:
            result = task(reporter)
        except Interrupted:
            asker.post_message(Cancelled(job))
        except SteersmanError as error:
            if not reporter.cancelled:
                asker.post_message(Refused(job, error, error.details))
        except Exception as error:
            what = say(
                "Something unforeseen went wrong: {kind}: {error}.", kind=type(error).__name__, error=error
            )
            asker.post_message(Refused(job, SteersmanError(what), traceback.format_exc()))
        else:
            # The result of a job that was replaced is no longer wanted.
            asker.post_message(Cancelled(job) if reporter.cancelled else Worked(job, result))
        finally:
            if self._running.get(job) is reporter:
                del self._running[job]
