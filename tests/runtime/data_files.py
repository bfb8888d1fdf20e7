"""Write the same conversations in every layout and container, for the tests of the data modules."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

Pairs = Sequence[tuple[str, str]]


def row_in(layout: str, pairs: Pairs, system: str = "") -> dict[str, Any]:
    """Return one conversation as a row of the layout."""
    if layout == "alpaca":
        *history, (question, answer) = pairs
        return {
            "instruction": question,
            "input": "",
            "output": answer,
            "history": [list(pair) for pair in history],
            "system": system,
        }
    if layout == "src_tgt":
        row: dict[str, Any] = {"src": [pair[0] for pair in pairs], "tgt": [pair[1] for pair in pairs]}
        return {**row, "context": {"system": system}}
    role, text, names = {
        "messages": ("role", "content", ("user", "assistant")),
        "sharegpt": ("from", "value", ("human", "gpt")),
    }[layout]
    turns = [{role: "system", text: system}] if system else []
    for pair in pairs:
        turns += [{role: name, text: part} for name, part in zip(names, pair, strict=True)]
    return {"messages" if layout == "messages" else "conversations": turns}


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    """Write rows to `path`; its ending decides: .json is a list, .jsonl has one row per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            for row in rows:
                table.writerow({name: _cell(value) for name, value in row.items()})
    else:
        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    return path


def _cell(value: Any) -> Any:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
