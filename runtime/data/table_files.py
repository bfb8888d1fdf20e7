"""Files of rows that are tables: CSV and Parquet, whose columns must be known before the first row.

A field may come for the first time in the millionth row, and hold a text in one row and a list in the next.
So rows lie in a file without a name while the columns are found; memory stays that of one block.
"""

from __future__ import annotations

import csv
import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import pyarrow

Row = dict[str, Any]
BATCH_ROWS = 1000


def write_csv(path: Path, rows: Iterator[Row]) -> None:
    """A table with a header; what is no text stands in its cell as JSON."""
    with waiting_room(path) as waiting:
        names: dict[str, None] = {}
        for row in rows:
            names |= dict.fromkeys(row)
            waiting.write(json.dumps(row, ensure_ascii=False) + "\n")
        waiting.seek(0)
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(names), restval="")
            table.writeheader()
            for line in waiting:
                table.writerow({name: as_text(value) for name, value in json.loads(line).items()})


def write_parquet(path: Path, rows: Iterator[Row]) -> None:
    """A Parquet file. A column that no Arrow type holds as it is holds text: JSON for what is no text."""
    import pyarrow
    from pyarrow import parquet

    with waiting_room(path) as waiting:
        columns: dict[str, pyarrow.DataType | None] = {}
        for block in blocks(rows):
            for name in dict.fromkeys(name for row in block for name in row):
                columns[name] = common_type(
                    columns.get(name, pyarrow.null()), [row.get(name) for row in block]
                )
            waiting.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in block)
        waiting.seek(0)
        schema = pyarrow.schema([(name, found or pyarrow.string()) for name, found in columns.items()])
        with parquet.ParquetWriter(path, schema) as writer:
            for block in blocks(json.loads(line) for line in waiting):
                cells = [
                    {name: value if columns[name] else as_text(value) for name, value in row.items()}
                    for row in block
                ]
                writer.write_table(pyarrow.Table.from_pylist(cells, schema=schema))


def common_type(known: pyarrow.DataType | None, values: list[Any]) -> pyarrow.DataType | None:
    """Return the Arrow type that holds all values so far, none of them changed; None where there is none.

    Objects with other keys would get each other's as nulls (the parameters of tools, say), and Parquet knows
    no object without keys.
    """
    import pyarrow

    if known is None:
        return None
    try:
        cells = pyarrow.array(values)
        fields = [pyarrow.schema([("", found)]) for found in (known, cells.type)]
        both = pyarrow.unify_schemas(fields, promote_options="permissive").field(0).type
    except pyarrow.ArrowException:
        return None
    same_keys = len({keys for keys in map(keys_of, (known, cells.type)) if keys}) <= 1
    kept = same_keys and "struct<>" not in str(both) and cells.to_pylist() == values
    return both if kept else None


def keys_of(kind: pyarrow.DataType) -> str:
    """Return the names of a type's fields, in order and with their nesting; empty where it has none."""
    import pyarrow

    if pyarrow.types.is_struct(kind):
        return "{" + ",".join(f"{field.name}:{keys_of(field.type)}" for field in kind.fields) + "}"
    return keys_of(kind.value_type) if pyarrow.types.is_list(kind) else ""


def as_text(value: Any) -> str | None:
    """Return a cell's text: JSON for what is no text, nothing for nothing."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def waiting_room(path: Path) -> TextIO:
    """Return a file without a name, on the disk of `path`, which is gone once it is closed."""
    return tempfile.TemporaryFile("w+", encoding="utf-8", dir=path.parent)


def blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows in lists of `BATCH_ROWS`."""
    left = iter(rows)
    while block := list(itertools.islice(left, BATCH_ROWS)):
        yield block
