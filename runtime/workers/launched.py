"""What a process does differently when Paddle's launcher started it, beside others. Standard library only."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any

from runtime.workers.emit import Emitter
from runtime.workers.stop import stop_with_parent

RANK = "PADDLE_TRAINER_ID"
"""Variable in which the launcher numbers its processes (paddle/distributed/launch/controllers/
collective.py)."""


def rank() -> int:
    """Return this process's number; 0 without a launcher."""
    return int(os.environ.get(RANK, "0"))


def begin() -> None:
    """End with the launcher, should that be killed."""
    if RANK in os.environ:
        stop_with_parent()


def leave_with(code: int) -> None:
    """End the process with `code`, before Paddle takes its process groups apart.

    With two processes that ends now and then in an abort (exit code -6) after all work has been done, and
    the launcher would report a finished stage as failed.
    """
    atexit.register(_leave, code)


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class OnlyErrors(Emitter):
    """Speaks for a rank that does what the first one does: of its events only failures are news."""

    def emit(self, kind: str, **fields: Any) -> None:
        """Append the event if it is a failure."""
        if kind == "error":
            super().emit(kind, **fields)


def emitter_of(stage_folder: str, stage: str) -> Emitter:
    """Return the emitter of this process: the first rank speaks for all."""
    number = rank()
    return OnlyErrors(stage_folder, stage, number) if number else Emitter(stage_folder, stage)
