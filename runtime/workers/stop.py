"""Stop gracefully: on the file `stop`, on SIGTERM or SIGINT, on any rank, all ranks at the same step.

Paddle's import installs its own handler for SIGTERM, and a signal during the seconds of importing would end
the process unasked. So signals are held back from the first line of the worker until the handlers are in
place.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
from pathlib import Path
from types import FrameType

from runtime.workers.emit import stop_requested
from runtime.workers.speech import say

PR_SET_PDEATHSIG = 1
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def hold_signals() -> None:
    """Keep the stop signals waiting until `StopRequest.listen`. Call before Paddle is imported."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def stop_with_parent() -> None:
    """Ask Linux for SIGTERM when the parent ends: no rank trains on as an orphan of a killed launcher."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class StopRequest:
    """Whether someone asked this process to stop."""

    def __init__(self, stage_folder: str | Path) -> None:
        self.stage_folder = Path(stage_folder)
        self.signalled = ""

    def listen(self) -> None:
        """Install the handlers and let signals that were held back arrive. Call after Paddle is imported."""
        for number in SIGNALS:
            signal.signal(number, self.note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember the signal; the training loop looks at the end of the step."""
        self.signalled = signal.Signals(number).name

    def requested(self) -> bool:
        """Return whether to stop at the next chance."""
        return bool(self.signalled) or stop_requested(self.stage_folder)

    def reason(self) -> str:
        """Return in words who asked."""
        return (
            say("received {signalled}", signalled=self.signalled)
            if self.signalled
            else say("stop was requested")
        )
