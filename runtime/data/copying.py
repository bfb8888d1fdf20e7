"""The rows of a data set, as they are, in one new file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from planner.language import say
from runtime.data.bundled import resolve_data
from runtime.data.convert import refuse_existing
from runtime.data.hub_data import first_rows_of, read_name
from runtime.data.json_rows import RawRow
from runtime.data.row_pass import ProgressCall
from runtime.data.sources import open_source
from runtime.data.writing import Row, write_file


def copy_rows(name: str, out: Path, rows: int | None, progress: ProgressCall) -> int:
    """Write the training rows of `name` (the first `rows` of them) to `out`; return how many there were.

    The first rows of a set on Hugging Face are streamed: the rest of it is never fetched.
    """
    refuse_existing(out)
    wanted = read_name(name) if rows is not None else None
    if wanted is not None and wanted.hub == "huggingface" and rows is not None:
        return write_file(out, values(first_rows_of(name, rows), rows, progress))
    source = open_source(resolve_data(name, progress))
    every = itertools.chain.from_iterable(file.rows() for file in source.train)
    return write_file(out, values(itertools.islice(every, rows), rows, progress))


def values(rows: Iterator[RawRow], total: int | None, progress: ProgressCall) -> Iterator[Row]:
    """Yield the rows that are objects."""
    for number, raw in enumerate(rows, start=1):
        if isinstance(raw.value, dict):
            yield raw.value
        if number % 500 == 0:
            progress(number, total or 0, "rows", say("{rows:,} rows", rows=number))
