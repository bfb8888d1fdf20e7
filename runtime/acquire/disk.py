"""Room on disk, checked before anything large is written; and a full disk said in one sentence."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from planner.errors import BadInput
from planner.language import say

RESERVE_BYTES = 256 * 1024**2
"""Left free on purpose: a file system that is full to the last byte breaks everything else on the machine."""


def readable(size: float) -> str:
    """Return a size as `538 MB`, `2.4 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def require_room(folder: Path, needed_bytes: int, what: str) -> None:
    """Raise BadInput when `folder`'s disk cannot take `needed_bytes` more for `what`."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + RESERVE_BYTES:
        raise BadInput(
            say(
                "{what} needs {needed} in {folder}, and {free} are free there.",
                what=what,
                needed=readable(needed_bytes),
                folder=folder,
                free=readable(free),
            ),
            remedy=say("Free some space, or put Steersman's data on another disk with STEERSMAN_HOME."),
        )


@contextmanager
def full_disk_in_words(folder: Path) -> Iterator[None]:
    """Turn a full disk (or an exceeded quota) into BadInput, however deep a library wrapped it."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
                raise BadInput(
                    say("The disk that holds {folder} is full.", folder=folder),
                    remedy=say("Free some space, or set STEERSMAN_HOME to another disk; then resume."),
                ) from error
            # The safetensors library puts the system's message into an error of its own.
            if "No space left on device" in str(cause) and not isinstance(cause, BadInput):
                cause = OSError(errno.ENOSPC, str(cause))
                continue
            cause = cause.__cause__ or cause.__context__
        raise
