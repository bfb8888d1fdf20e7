"""Read rows of data from JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a JSON-lines file; raises `RefusedError` with the line number of a broken one."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise RefusedError(
                        say(
                            "{path}, line {number}: not JSON ({error}).",
                            path=path,
                            number=number,
                            error=error,
                        )
                    ) from error
                if not isinstance(row, dict):
                    raise RefusedError(
                        say(
                            "{path}, line {number}: a row must be a JSON object with `src` and `tgt`.",
                            path=path,
                            number=number,
                        )
                    )
                yield row
    except OSError as error:
        raise RefusedError(
            say("The data file {path} cannot be read: {error}.", path=path, error=error.strerror)
        ) from error
