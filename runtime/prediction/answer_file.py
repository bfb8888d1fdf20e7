"""The file of answers: one JSON line per row of the data, in its order, so that it can be continued.

A line is `{"row", "prompt", "answer", "ended", "tokens", "prompt_tokens", "reference", "model",
"max_new_tokens"}`, or `{"row", "error"}` for a row that asks nothing or does not fit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from planner.errors import BadInput
from planner.language import say

Line = dict[str, Any]


class AnswerFile:
    """Answers so far, and where the next ones go. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = path.open("ab+")
        except OSError as error:
            raise BadInput(
                say("{path} cannot be written: {reason}.", path=path, reason=error.strerror)
            ) from error
        self._cut_partial_line()

    def __enter__(self) -> AnswerFile:
        return self

    def __exit__(self, *failure: object) -> None:
        self.file.close()

    def _cut_partial_line(self) -> None:
        """Forget what a killed process had begun to write."""
        end = self.file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            self.file.seek(start)
            found = self.file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        self.file.truncate(end)

    def lines(self) -> Iterator[Line]:
        """Yield the lines that are there already."""
        with self.path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    line = json.loads(raw)
                    if not isinstance(line["row"], int):
                        raise ValueError
                except (ValueError, KeyError, TypeError) as error:
                    raise BadInput(
                        say("{path}, line {line}: this is no file of answers.", path=self.path, line=number),
                        remedy=say("Name another file with --out."),
                    ) from error
                yield line

    def append(self, lines: list[Line]) -> None:
        """Write answers, whole lines at once, and hand them to the disk."""
        if not lines:
            return
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        try:
            self.file.write(text.encode())
            self.file.flush()
        except OSError as error:
            raise BadInput(
                say("{path} cannot be written: {reason}.", path=self.path, reason=error.strerror),
                remedy=say("The answers so far are kept; run the same command again to go on."),
            ) from error
