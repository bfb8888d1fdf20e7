"""Follow a growing text file line by line; an unfinished last line waits for its end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 4 << 20


@dataclass
class LineTail:
    """Reads the complete lines that were added since the last call.

    Its offset is always just after a newline: a torn line may be cut off and written over between two calls.
    """

    path: Path
    offset: int = 0
    line_number: int = 0

    def read(self) -> list[bytes]:
        """Return new complete lines without their newline; nothing while the file does not exist."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                chunk = file.read(CHUNK_BYTES)
                while len(chunk) % CHUNK_BYTES == 0 and chunk and b"\n" not in chunk:
                    more = file.read(CHUNK_BYTES)
                    if not more:
                        break
                    chunk += more
        except FileNotFoundError:
            return []
        complete, newline, _ = chunk.rpartition(b"\n")
        if not newline:
            return []
        self.offset += len(complete) + 1
        lines = complete.split(b"\n")
        self.line_number += len(lines)
        return lines
