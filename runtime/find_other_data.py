"""Data for other kinds of training: preference pairs, judged answers, plain texts, queries with passages."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from planner.errors import BadInput
from planner.facts import DataFacts
from runtime.data.formats import kind_of, layouts_of
from runtime.data.row_pass import PEEK_ROWS, ProgressCall
from runtime.data.scan import scan
from runtime.data.sources import open_source

Layout = Literal["preference", "labelled", "text", "retrieval"]


def other_layout(path: Path) -> Layout | None:
    """Return the layout of data that is no set of conversations; None for anything else, also for what
    cannot be read, of which the scan will say more."""
    try:
        files = open_source(path).train
        rows = [raw.value for raw in itertools.islice(files[0].rows(), PEEK_ROWS)]
    except BadInput:
        return None
    return layout_of([row for row in rows if isinstance(row, Mapping)])


def layout_of(rows: list[Mapping[str, Any]]) -> Layout | None:
    """Return the layout that every row has; None where there is none, or it is one of conversations."""
    kinds = {kind_of(name) for row in rows for name in layouts_of(row) or ("messages",)}
    kind = kinds.pop() if len(kinds) == 1 else "conversation"
    return None if kind == "conversation" else kind


def read_other(
    name: str, layout: Layout, model_folder: Path | None, *, dev_fraction: float, progress: ProgressCall
) -> DataFacts:
    """Return the facts of such data, as a run prepares it: both answers of a pair together."""
    return scan(name, model_folder, dev_fraction=dev_fraction, progress=progress).facts
