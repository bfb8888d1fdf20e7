"""Where Steersman keeps things on this machine, and how files are replaced safely."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import platformdirs

PROJECT = Path(__file__).resolve().parent.parent
"""Folder that holds `planner`, `recipes`, `runtime` and `tui`."""


def home() -> Path:
    """Return the data folder: `$STEERSMAN_HOME`, else the platform's. It is not created here."""
    override = os.environ.get("STEERSMAN_HOME")
    return (
        Path(override).expanduser().resolve() if override else Path(platformdirs.user_data_dir("steersman"))
    )


def engines_folder() -> Path:
    """Return the folder with one environment per engine and build, such as `engines/paddlenlp-cpu`."""
    return home() / "engines"


def models_folder() -> Path:
    """Return the cache of fetched and converted models."""
    return home() / "models"


def runs_folder() -> Path:
    """Return the folder that holds run folders unless the person names another."""
    return home() / "runs"


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write `content` beside `path`, fsync it and rename it: a reader sees the old file or the new one."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
