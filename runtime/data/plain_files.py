"""Documents of a plain text file, streamed.

A document ends at a form feed, at two blank lines in a row, or, in a text without either, at the first blank
line after LONG characters: so a book is many documents, memory stays flat, and some can be held out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runtime.data.json_rows import LONGEST_ROW, RawRow

LONG = 8_000
"""Characters of a document after which a blank line ends it: some two thousand tokens, a usual length."""


def text_rows(path: Path) -> Iterator[RawRow]:
    """Yield `{"text": ...}` rows with the line where each document starts. `end` counts bytes."""
    row = end = held = blank = 0
    first, lines = 1, list[str]()
    with path.open("rb") as file:
        for number, raw in enumerate(iter(lambda: file.readline(LONGEST_ROW), b""), start=1):
            end += len(raw)
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace").replace("\r\n", "\n")
            pieces = text.split("\f")
            for index, piece in enumerate(pieces):
                if index and lines:
                    row += 1
                    yield document(row, first, lines, end)
                    lines, held = [], 0
                empty = not piece.strip()
                blank = blank + 1 if empty else 0
                if lines and (blank >= 2 or (empty and held >= LONG)):
                    row += 1
                    yield document(row, first, lines, end)
                    lines, held = [], 0
                if empty and not lines:
                    continue
                first = number if not lines else first
                lines.append(piece)
                held += len(piece)
    if lines:
        yield document(row + 1, first, lines, end)


def document(row: int, line: int, lines: list[str], end: int) -> RawRow:
    """Return a document as a row."""
    return RawRow(row, line, {"text": "".join(lines).strip("\n")}, "", end)
