"""Notice a disk that fills up while training goes on, in time for a last checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from planner.language import say
from planner.phrases import size
from runtime.run import disk_space

LOOK_SECONDS = 2.0
CHECKPOINTS = 2
"""Checkpoints for which there must be room: the one that a pause saves, and one until old ones go."""


class DiskWatch:
    """Looks at the disk of a stage every now and then."""

    def __init__(
        self, stage: Path, reserve: int, free: Callable[[Path], int] = disk_space.free_bytes
    ) -> None:
        """Watch the disk of `stage`, where `reserve` bytes beside checkpoints must stay free; 0: do not."""
        self._stage, self._reserve, self._free = stage, reserve, free
        self._next_look = 0.0

    def check(self) -> str:
        """Return why the stage should pause; empty while there is room. Call often."""
        now = time.monotonic()
        if not self._reserve or now < self._next_look:
            return ""
        self._next_look = now + LOOK_SECONDS
        needed = self._reserve + CHECKPOINTS * newest_checkpoint_bytes(self._stage)
        free = self._free(self._stage)
        if free >= needed:
            return ""
        return say(
            "the disk is almost full: {free} are left at {path}, and {needed} are kept free for checkpoints; "
            "free some space, then resume",
            free=size(free),
            path=self._stage,
            needed=size(needed),
        )


def newest_checkpoint_bytes(stage: Path) -> int:
    """Return the size of the newest checkpoint of a stage; 0 without one."""
    folders = sorted(stage.glob("output/checkpoint-*"), key=lambda path: (len(path.name), path.name))
    if not folders:
        return 0
    total = 0
    for path in folders[-1].rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:  # removed just now
            continue
    return total
