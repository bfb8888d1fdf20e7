"""Which rows were seen before, at 24 bytes a row: an open-addressed table of hashes in two flat arrays.

A Python dictionary would take about 150 bytes a row, more than many rows themselves.
"""

from __future__ import annotations

from array import array
from hashlib import blake2b


def row_hash(text: str, seed: int = 0) -> int:
    """Return a 64-bit hash of `text`, never 0; another seed gives an independent one."""
    key = seed.to_bytes(8, "little") if seed else b""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()
    return int.from_bytes(digest, "little") or 1


class SeenRows:
    """Remembers the row number at which a hash first came. The table doubles when two thirds are used."""

    def __init__(self) -> None:
        self.used = 0
        self._make(1 << 10)

    def _make(self, slots: int) -> None:
        self.mask = slots - 1
        self.hashes = array("Q", bytes(8 * slots))
        self.rows = array("Q", bytes(8 * slots))

    def find(self, value: int) -> int:
        """Return the row number first given with the hash `value`, or 0."""
        return int(self.rows[self._slot(value)])

    def first(self, value: int, row: int) -> int:
        """Return the row that came first with the hash `value`; 0, and remember `row`, when it is new."""
        slot = self._slot(value)
        if self.hashes[slot] == value:
            return int(self.rows[slot])
        self.hashes[slot], self.rows[slot] = value, row
        self.used += 1
        if self.used * 3 > len(self.hashes) * 2:
            self._grow()
        return 0

    def _slot(self, value: int) -> int:
        """Return the slot that holds `value` or the free one where it belongs."""
        slot = value & self.mask
        while self.hashes[slot] not in (0, value):
            slot = (slot + 1) & self.mask
        return slot

    def _grow(self) -> None:
        hashes, rows = self.hashes, self.rows
        self._make(len(hashes) * 2)
        for value, row in zip(hashes, rows, strict=True):
            if value:
                slot = self._slot(value)
                self.hashes[slot], self.rows[slot] = value, row
