"""Follow a growing text file line by line; an unfinished last line waits for its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

CHUNK_BYTES = 4 << 20


@dataclass
class LineTail:
    """Reads the complete lines that were added since the last call."""

    path: Path
    offset: int = 0
    line_number: int = 0
    _rest: bytes = field(default=b"", repr=False)

    def read(self) -> list[bytes]:
        """Return new complete lines without their newline; nothing while the file does not exist."""
        try:
            with self.path.open("rb") as file:
                if (
                    file.seek(0, 2) < self.offset
                ):  # truncated by a repair: what was cut off was never complete
                    self.offset, self._rest = file.tell(), b""
                file.seek(self.offset)
                chunk = file.read(CHUNK_BYTES)
        except FileNotFoundError:
            return []
        self.offset += len(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self.line_number += len(lines)
        return lines

    @property
    def rest(self) -> bytes:
        """What was read of the unfinished last line."""
        return self._rest
