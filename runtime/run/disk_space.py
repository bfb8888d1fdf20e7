"""Say that a disk is too small before a stage fills it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from planner.errors import StageFailed
from planner.language import say
from planner.phrases import size

FREE = "STEERSMAN_TEST_FREE_BYTES"
"""Name of a file that holds the number of free bytes; for tests of a disk that fills up."""


def free_bytes(path: Path) -> int:
    """Return the free space of the disk that holds a path, or will hold it."""
    told = os.environ.get(FREE)
    if told:
        return int(Path(told).read_text(encoding="ascii"))
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def require(path: Path, needed: int, stage: str) -> None:
    """Raise StageFailed if the disk that holds `path` has less than `needed` bytes left."""
    free = free_bytes(path)
    if free < needed:
        raise StageFailed(
            say(
                "The stage {stage} needs about {needed} of disk, but {free} are left at {path}.",
                stage=stage,
                needed=size(needed),
                free=size(free),
                path=path,
            ),
            remedy=say("Free some space, then resume."),
        )
