"""Data files near the person: those of a folder whose first rows are ones that a model can learn from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from planner.errors import SteersmanError
from runtime.data.formats import detect
from runtime.data.sources import data_files, open_file
from runtime.find_other_data import layout_of

MOST_OPENED = 60
"""Files that are looked into; a folder with more is no folder of data sets."""

ROWS = 5
LARGEST_LIST = 256 << 20
"""Bytes of a file of one JSON list: it is read from its beginning until five rows are whole."""


def near_files(folder: Path) -> tuple[str, ...]:
    """Return the names of usable data files in a folder, those for training first; some rows are read."""
    try:
        files = data_files(folder)[:MOST_OPENED]
    except OSError:
        return ()
    good = [path.name for path in files if usable(path)]
    return tuple(sorted(good, key=lambda name: (not name.lower().startswith("train"), name.lower())))


def usable(path: Path) -> bool:
    """Return whether the first rows of a file have a layout that is known."""
    try:
        if path.stat().st_size > LARGEST_LIST and path.suffix.lower() == ".json":
            return False
        rows = [raw.value for raw in itertools.islice(open_file(path).rows(), ROWS)]
        found = [row for row in rows if isinstance(row, Mapping)]
        return bool(found) and (layout_of(found) is not None or bool(detect(found, path.name)))
    except (SteersmanError, OSError, ValueError):
        return False
