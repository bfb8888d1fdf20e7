"""Rows of JSON files, streamed, with their line numbers: one object per line, or one list over the whole
file.

`datasets` reads a JSON list into memory as a whole, and fixes each column's type by the first block, so that
a single odd row stops the file without a row number. Both rule it out where every row is to be judged by
itself. The standard library's decoder, fed through a window, stays flat and knows the exact place of an
error.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from planner.errors import BadInput
from planner.language import say, template

CHUNK = 1 << 20
LONGEST_ROW = 64 << 20
"""Bytes that one row may take: beyond it a quote was left open, or the file is no list of conversations."""

CUT_OFF = template("Fetch or write the file again; it was probably cut off.")


class RawRow(NamedTuple):
    """A row as read:

    `value` is any JSON value; `problem` says why there is none. `end` counts bytes read so far.
    """

    row: int
    line: int
    value: Any
    problem: str
    end: int


def lines(path: Path) -> Iterator[RawRow]:
    """Yield one row per line that is not blank.

    A broken line is a row with a problem; a cut last line is an error.
    """
    row, end = 0, 0
    with path.open("rb") as file:
        for number in range(1, 1 << 62):
            raw = file.readline(LONGEST_ROW)
            if not raw:
                return
            end += len(raw)
            if len(raw) == LONGEST_ROW:
                raise BadInput(
                    say(
                        "{path}, line {line}: the line is longer than {size} MiB.",
                        path=path,
                        line=number,
                        size=LONGEST_ROW >> 20,
                    ),
                    remedy=say("A .jsonl file holds one row per line."),
                )
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if not text:
                continue
            row += 1
            try:
                yield RawRow(row, number, json.loads(text), "", end)
            except (ValueError, RecursionError) as error:
                if row == 1:
                    raise not_rows(path, number, text, error) from error
                if not raw.endswith(b"\n") and ends_early(error, text):
                    raise BadInput(
                        say("{path}, line {line}: the last line is incomplete.", path=path, line=number),
                        remedy=say(CUT_OFF),
                    ) from error
                yield RawRow(row, number, None, reason(error), end)


def reason(error: Exception) -> str:
    """Return a decoding error in words."""
    if isinstance(error, json.JSONDecodeError):
        return say("not JSON: {fault} at column {column}", fault=fault_of(error), column=error.colno)
    if isinstance(error, RecursionError):
        return say("nested too deeply")
    return say("not JSON: {fault}", fault=error)


def fault_of(error: json.JSONDecodeError) -> str:
    """Return the decoder's own words as part of a sentence; they are English."""
    return f"{error.msg[0].lower()}{error.msg[1:]}"


def ends_early(error: Exception, text: str) -> bool:
    """Return whether more text could have helped: the error is at the end, or inside a string left open."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= len(text) - 12


def not_rows(path: Path, line: int, text: str, error: Exception) -> BadInput:
    """Explain a file whose first row cannot be read: usually one object written over several lines."""
    if text in ("{", "[") or ends_early(error, text):
        return BadInput(
            say("{path}, line {line}: the first row does not end on its line.", path=path, line=line),
            remedy=say("Write one object per line (.jsonl), or one list around all rows (.json)."),
        )
    return BadInput(
        say("{path}, line {line}: {reason}.", path=path, line=line, reason=reason(error)),
        remedy=say("Each line must be one JSON object."),
    )


class _Window:
    """The part of a text file around the current row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("rb")
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.text = ""
        self.at = 0
        self.line = 1
        self.bytes_read = 0
        self.ended = False

    def more(self) -> bool:
        """Drop what lies behind, read the next chunk, and return whether there was one."""
        raw = b"" if self.ended else self.file.read(max(CHUNK, len(self.text) - self.at))
        self.bytes_read += len(raw)
        self.ended = not raw
        self.text = self.text[self.at :] + self.decoder.decode(raw, final=self.ended)
        self.at = 0
        return not self.ended

    def skip(self, to: int) -> None:
        """Move on, counting lines."""
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def next_character(self) -> str:
        """Skip white space and return the character there, or nothing at the end of the file."""
        while True:
            to = self.at
            while to < len(self.text) and self.text[to] in " \t\r\n":
                to += 1
            self.skip(to)
            if to < len(self.text):
                return self.text[to]
            if not self.more():
                return ""


def whole_list(path: Path) -> Iterator[RawRow]:
    """Yield the rows of a file that is one JSON list. `line` is the line where the row starts."""
    window = _Window(path)
    with window.file:
        window.next_character()
        window.skip(window.at + 1)
        row = 0
        while True:
            character = window.next_character()
            if character == "]" and row == 0:
                break
            row += 1
            line = window.line
            value = _value(window, row)
            yield RawRow(row, line, value, "", window.bytes_read)
            character = window.next_character()
            if character == "]":
                break
            if character != ",":
                raise _broken(window, row, _no_comma(character))
            window.skip(window.at + 1)
        window.skip(window.at + 1)
        if window.next_character():
            raise BadInput(
                say(
                    "{path}, line {line}: there is more text after the end of the list.",
                    path=path,
                    line=window.line,
                ),
                remedy=say("The file must hold one list. Join the lists, or write one row per line."),
            )


def _value(window: _Window, row: int) -> Any:
    """Decode the value at the window's place, reading on as long as it may be incomplete."""
    decoder = json.JSONDecoder()
    while True:
        try:
            value, end = decoder.raw_decode(window.text, window.at)
        except RecursionError as error:
            raise _broken(window, row, say("nested too deeply")) from error
        except json.JSONDecodeError as error:
            offset = error.pos - window.at
            if ends_early(error, window.text):
                if len(window.text) - window.at > LONGEST_ROW:
                    raise BadInput(
                        say(
                            "{path}, line {line}: a row is longer than {size} MiB.",
                            path=window.path,
                            line=window.line,
                            size=LONGEST_ROW >> 20,
                        ),
                        remedy=say("Perhaps a quote was left open there."),
                    ) from error
                if window.more():
                    continue
                if not window.text.rstrip().endswith("]"):
                    offset = len(window.text)
            window.skip(window.at + offset)
            raise _broken(window, row, fault_of(error)) from error
        except ValueError as error:
            raise _broken(window, row, str(error)) from error
        else:
            length = end - window.at
            if end < len(window.text) or not window.more():
                window.skip(window.at + length)
                return value


def _no_comma(character: str) -> str:
    return say("expected a comma or the list's end, found {character}", character=repr(character))


def _broken(window: _Window, row: int, why: str) -> BadInput:
    """Explain where the list stops being one."""
    if not window.next_character():
        return BadInput(
            say(
                "{path}, line {line}: the file ends in the middle of the list, at row {row}.",
                path=window.path,
                line=window.line,
                row=row,
            ),
            remedy=say(CUT_OFF),
        )
    return BadInput(
        say(
            "{path}, line {line}: row {row} is not JSON: {why}.",
            path=window.path,
            line=window.line,
            row=row,
            why=why,
        ),
        remedy=say("Correct the file there and try again."),
    )
