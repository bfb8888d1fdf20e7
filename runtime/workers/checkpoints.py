"""Checkpoints that are whole or absent.

Upstream writes model, state, RNG, optimizer and scheduler one after the other into the final folder, and
later picks the highest number, complete or not. Here a checkpoint is written in `saving/`, every file is
synced, a manifest with the size and checksum of each file is written last, and only then the folder is
renamed to `checkpoint-<step>`. A kill at any moment leaves the earlier checkpoints and, at most, a folder
that is not taken for one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from pathlib import Path
from typing import NamedTuple

MANIFEST = "manifest.json"
STAGING = "saving"
CHUNK = 1 << 22
NAME = re.compile(r"checkpoint-(\d+)")


class Found(NamedTuple):
    """The newest complete checkpoint, if any, and the broken ones that were newer or lay about."""

    checkpoint: Path | None
    broken: tuple[Path, ...]


def staging(output: Path) -> Path:
    """Return an empty folder beside the checkpoints in which the next one is written."""
    folder = output / STAGING
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def sync(path: Path) -> None:
    """Make a file or folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checksum(path: Path) -> int:
    """Return the CRC-32 of a file: it notices damage and is several times faster than a secure hash."""
    value = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            value = zlib.crc32(chunk, value)
    return value


def seal(folder: Path) -> None:
    """Sync every file of a finished folder and write its manifest."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    entries = {}
    for path in files:
        sync(path)
        entries[str(path.relative_to(folder))] = {"bytes": path.stat().st_size, "crc32": checksum(path)}
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps(entries, indent=2), encoding="utf-8")
    sync(manifest)
    sync(folder)


def is_complete(folder: Path) -> bool:
    """Return whether every file that the manifest names is there, unharmed."""
    try:
        entries = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return bool(entries) and all(
            (folder / name).stat().st_size == entry["bytes"] and checksum(folder / name) == entry["crc32"]
            for name, entry in entries.items()
        )
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return False


def publish(staged: Path, final: Path) -> None:
    """Seal a folder and rename it into place."""
    seal(staged)
    put_in_place(staged, final)


def hand_over(staged: Path, final: Path) -> None:
    """Rename a folder of results into place, all of it on the disk."""
    for path in staged.rglob("*"):
        sync(path)
    put_in_place(staged, final)


def put_in_place(staged: Path, final: Path) -> None:
    """Give a folder its name, in place of what has that name."""
    shutil.rmtree(final, ignore_errors=True)
    staged.rename(final)
    sync(final.parent)


def step_of(folder: Path) -> int:
    """Return the optimizer step that a checkpoint's name gives; -1 for another folder."""
    match = NAME.fullmatch(folder.name)
    return int(match.group(1)) if match else -1


def newest_first(output: Path) -> list[Path]:
    """Return the checkpoint folders, complete or not."""
    folders = [path for path in output.glob("checkpoint-*") if path.is_dir() and step_of(path) >= 0]
    return sorted(folders, key=step_of, reverse=True)


def find(output: Path) -> Found:
    """Return the newest complete checkpoint, and what is newer than it but broken."""
    broken: list[Path] = [path for path in [output / STAGING] if path.exists()]
    for folder in newest_first(output):
        if is_complete(folder):
            return Found(folder, tuple(broken))
        broken.append(folder)
    return Found(None, tuple(broken))


def rotate(output: Path, keep: int, best: str | None) -> list[Path]:
    """Remove all but the newest `keep` checkpoints, sparing `best`; return what was removed.

    Upstream skips this on a single process, where every checkpoint would be kept until the disk is full. A
    folder is renamed before it is deleted, so that a kill in between leaves nothing that looks like a
    checkpoint.
    """
    removed = []
    for folder in newest_first(output)[max(keep, 1) :]:
        if best is not None and folder.name == Path(best).name:
            continue
        doomed = folder.with_name(f".removed-{folder.name}")
        shutil.rmtree(doomed, ignore_errors=True)
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        removed.append(folder)
    return removed
