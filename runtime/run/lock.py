"""One supervisor per run: an exclusive lock that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


class BusyError(Exception):
    """Somebody else holds the lock."""


def acquire(path: Path, patience_seconds: float = 1.0) -> int:
    """Take the lock and return its descriptor, which must stay open. BusyError if another process holds it.

    Waits a moment, because asking for a run's status takes the lock for an instant.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise BusyError(str(path)) from None
            time.sleep(0.02)
        else:
            return descriptor


def is_held(path: Path) -> bool:
    """Return whether a living process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
