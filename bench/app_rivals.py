"""Two well-made Textual apps to be measured beside ours, each in a scratch environment of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import platformdirs

FOLDER = Path(platformdirs.user_cache_dir("steersman")) / "bench"


class Rival(NamedTuple):
    """An app from PyPI, how it is started, and words of its first full screen."""

    name: str
    packages: tuple[str, ...]
    arguments: tuple[str, ...]
    words: str


RIVALS = (
    # With tree-sitter 0.26 this release of posting ends in a segmentation fault (Python 3.11, Linux).
    Rival("posting", ("posting==2.11.1", "tree-sitter==0.25.2"), ("--collection", "{scratch}"), "Send"),
    Rival("harlequin", ("harlequin==2.17.0",), ("--no-download-tzdata", "--locale", "C"), "Run Query"),
)


def installed(rival: Rival) -> Path:
    """Return the rival's program, installed with uv on first use and compiled as a release is."""
    environment = FOLDER / rival.name
    program = environment / "bin" / rival.name
    uv = (sys.executable, "-m", "uv")
    if not program.exists():
        subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(environment)], check=True)
        python = str(environment / "bin" / "python")
        subprocess.run(
            [*uv, "pip", "install", "-q", "--compile-bytecode", "--python", python, *rival.packages],
            check=True,
        )
    return program
