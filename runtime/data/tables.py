"""Rows of CSV and Parquet files, streamed by `datasets`.

Nothing is written to its cache, nothing is read from it.

CSV cells are read as text, so that "007" and "NA" stay what they are. A cell that holds a JSON list
(`messages`, `conversations`, `history`, `src`, `tgt`) is parsed by the layout that expects one.
"""

from __future__ import annotations

import csv
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from planner.errors import BadInput
from planner.language import say, template
from runtime.data.json_rows import LONGEST_ROW, RawRow

BATCH_ROWS = 1000
"""Rows per block. Without it `datasets` holds a whole row group of a Parquet file, often the whole file."""

SEPARATORS = ",;\t|"


def csv_rows(path: Path) -> Iterator[RawRow]:
    """Yield the rows of a CSV file with a header line. `end` counts the characters of the cells."""
    import datasets

    names, separator = csv_header(path)
    features = datasets.Features({name: datasets.Value("string") for name in names})
    options = {"features": features, "sep": separator, "encoding": "utf-8-sig", "chunksize": BATCH_ROWS}
    yield from _stream(path, "csv", keep_default_na=False, na_filter=False, **options)


def csv_header(path: Path) -> tuple[list[str], str]:
    """Return the column names and the separator; raises `BadInput` when the first lines are not a table."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        separator = max(SEPARATORS, key=first.count)
        file.seek(0)
        csv.field_size_limit(LONGEST_ROW)
        try:
            records = csv.reader(file, delimiter=separator, strict=True)
            names, values = next(records), next(records, None)
        except csv.Error as error:
            raise BadInput(
                say("{path}, near line 1: not a CSV table ({reason}).", path=path, reason=error),
                remedy=say("Check its quotes."),
            ) from error
    if values is None:
        raise BadInput(
            say("{path} has a header line but no rows.", path=path),
            remedy=say("Add rows below the header."),
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise BadInput(
            say("{path}, line 1: the column `{column}` appears twice.", path=path, column=repeated[0]),
            remedy=say("Rename one of them."),
        )
    if len(values) != len(names):
        raise BadInput(
            say(
                "{path}: the header names {columns} columns but row 1 has {cells} cells.",
                path=path,
                columns=len(names),
                cells=len(values),
            ),
            remedy=say('Text that holds the separator must stand in double quotes ("...").'),
        )
    return names, separator


def parquet_rows(path: Path) -> Iterator[RawRow]:
    """Yield the rows of a Parquet file. `end` counts rows, as Parquet is compressed."""
    yield from _stream(path, "parquet", batch_size=BATCH_ROWS)


def parquet_length(path: Path) -> int:
    """Return the number of rows that the file's footer promises; raises `BadInput` for a damaged file."""
    import pyarrow
    from pyarrow import parquet

    try:
        return int(parquet.ParquetFile(path).metadata.num_rows)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise BadInput(
            say("{path} is a damaged Parquet file: {reason}.", path=path, reason=first_line(error)),
            remedy=say("Fetch it again."),
        ) from error


STREAMED = {".parquet": "parquet", ".csv": "csv", ".txt": "text"}
"""Ending of an address -> how `datasets` reads it; JSON for all others."""


def stream_address(address: str) -> Iterator[RawRow]:
    """Yield the rows behind an address as they arrive, by `datasets`."""
    import datasets

    datasets.utils.logging.set_verbosity(logging.CRITICAL)
    kind = next((kind for ending, kind in STREAMED.items() if address.lower().endswith(ending)), "json")
    with tempfile.TemporaryDirectory(prefix="steersman-data-") as cache:
        stream = datasets.load_dataset(
            kind, data_files=[address], split="train", streaming=True, cache_dir=cache
        )
        for row, value in enumerate(stream, start=1):
            yield RawRow(row, 0, value, "", row)


def _stream(path: Path, kind: str, **options: Any) -> Iterator[RawRow]:
    import datasets
    import pandas
    import pyarrow

    datasets.utils.logging.set_verbosity(logging.CRITICAL)
    end = 0
    with tempfile.TemporaryDirectory(prefix="steersman-data-") as cache:
        try:
            stream = datasets.load_dataset(
                kind, data_files=[str(path)], split="train", streaming=True, cache_dir=cache, **options
            )
            blocks = stream.with_format("arrow").iter(batch_size=BATCH_ROWS)
            values = (value for block in blocks for value in block.to_pylist())
            for row, value in enumerate(values, start=1):
                end += sum(map(len, value.values())) + len(value) if kind == "csv" else 1
                yield RawRow(row, 0, value, "", end)
        except (
            pandas.errors.ParserError,
            pyarrow.ArrowException,
            datasets.exceptions.DatasetsError,
        ) as error:
            raise BadInput(
                say("{path}: {reason}.", path=path, reason=first_line(error.__cause__ or error)),
                remedy=say(REMEDIES[kind]),
            ) from error


REMEDIES = {
    "csv": template("Each row needs as many cells as the header; text with commas stands in double quotes."),
    "parquet": template("Write or fetch the file again."),
}
"""What to do about a table that cannot be read to its end."""


def first_line(error: BaseException) -> str:
    """Return a library's message without its inner lines and its final full stop."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return (
        (lines[0] if lines else type(error).__name__)
        .removeprefix("Error tokenizing data. C error: ")
        .rstrip(". ")
    )
