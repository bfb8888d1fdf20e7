"""Say that a disk is too small before a stage fills it."""

from __future__ import annotations

import shutil
from pathlib import Path

from planner.errors import StageFailed


def free_bytes(path: Path) -> int:
    """Return the free space of the disk that holds a path, or will hold it."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def in_words(size: float) -> str:
    """Return a size with a unit that makes it readable, such as 1.4 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def require(path: Path, needed: int, stage: str) -> None:
    """Raise StageFailed if the disk that holds `path` has less than `needed` bytes left."""
    free = free_bytes(path)
    if free < needed:
        raise StageFailed(
            f"The stage {stage} needs about {in_words(needed)} of disk, but {in_words(free)} are left at {path}.",
            remedy="Free some space, then resume.",
        )
