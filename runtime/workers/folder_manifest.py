"""Cached folders that prove themselves: written beside, hashed, renamed into place, verified before reuse.

Standard library only: the app and the engines use the same file. A folder without its manifest is a torn one
and never counts; the manifest is written last, before the rename.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

MANIFEST = "steersman-manifest.json"
"""Name of the manifest inside a cached folder."""


def sha256_of(path: Path, on_bytes: Callable[[int], None] = lambda count: None) -> str:
    """Return the hex sha256 of a file; `on_bytes` is called with the size of every piece read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            digest.update(piece)
            on_bytes(len(piece))
    return digest.hexdigest()


def files_of(folder: Path) -> list[str]:
    """Return the relative names of all files below `folder`, sorted, without the manifest."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if name != MANIFEST)


def publish(
    partial: Path, destination: Path, about: dict[str, Any], hashes: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Hash every file of `partial`, write the manifest with `about`, and rename the folder to `destination`.

    Everything is fsync'ed before the rename, so that after a power cut the folder is complete or absent. A
    folder that stands at `destination` is replaced; the caller has found it unusable. `hashes` are those that
    are known already.
    """
    for name in files_of(partial):
        (partial / name).chmod(0o644)
        _fsync(partial / name)
    files = describe(partial, hashes)
    manifest = partial / MANIFEST
    manifest.write_text(
        json.dumps({"about": about, "files": files}, indent=2, sort_keys=True), encoding="utf-8"
    )
    _fsync(manifest)
    if destination.exists():
        old = destination.with_name(f".old-{destination.name}-{os.getpid()}")
        destination.rename(old)
        shutil.rmtree(old, ignore_errors=True)
    partial.rename(destination)
    _fsync(destination.parent)


def verify(folder: Path) -> tuple[dict[str, Any] | None, str]:
    """Return (`about`, "") if `folder` is what was published, else (None, what is wrong)."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files: dict[str, dict[str, Any]] = manifest["files"]
        about: dict[str, Any] = manifest["about"]
    except FileNotFoundError:
        return None, "it has no manifest"
    except (OSError, ValueError, KeyError, TypeError):
        return None, "its manifest is damaged"
    flaw = difference(folder, files)
    return (None, flaw) if flaw else (about, "")


def describe(folder: Path, hashes: Mapping[str, str] = MappingProxyType({})) -> dict[str, dict[str, Any]]:
    """Return file name -> size, modification time and sha256 of every file below `folder`."""
    files = {}
    for name in files_of(folder):
        status = (folder / name).stat()
        files[name] = {
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "sha256": sha256_of(folder / name),
        }
    return files


def difference(folder: Path, files: dict[str, dict[str, Any]]) -> str:
    """Return in words the first file of `folder` that is not as `describe` found it, or an empty string.

    A file whose size and modification time are unchanged is not read again: milliseconds for an untouched
    folder of any size. Any other file is hashed, so that a copied or restored one still counts as the same.
    """
    if not files:
        return "nothing is known about it"
    for name, expected in files.items():
        path = folder / name
        try:
            status = path.stat()
        except OSError:
            return f"{name} is missing"
        if status.st_size != expected["size"]:
            return f"{name} has {status.st_size} bytes instead of {expected['size']}"
        if status.st_mtime_ns != expected["mtime_ns"] and sha256_of(path) != expected["sha256"]:
            return f"{name} has changed"
    return ""


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # Some network file systems refuse it on folders.
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
