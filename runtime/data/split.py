"""A reproducible dev split in one pass: a row's place depends on its text and the seed, not on its position.

The rows with the smallest seeded hashes become the dev rows. So equal rows land on the same side, an added
row moves at most one other, and the same seed gives the same split on every machine.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

from planner.data_text import MOST_DEV_ROWS


class Held(NamedTuple):
    """What is remembered of a candidate for the dev split."""

    tokens: int
    answer_tokens: int


class DevSplit:
    """Keeps the `most` smallest distinct hashes seen so far, with the lengths of their rows."""

    def __init__(self, fraction: float, most: int = MOST_DEV_ROWS) -> None:
        self.fraction = fraction
        self.most = most if fraction > 0 else 0
        self.rows = 0
        self._heap: list[int] = []
        self._held: dict[int, list[Held]] = {}

    def offer(self, value: int, tokens: int, answer_tokens: int) -> None:
        """Take note of a usable row with the seeded hash `value`."""
        self.rows += 1
        if self.most == 0:
            return
        held = self._held.get(value)
        if held is not None:
            held.append(Held(tokens, answer_tokens))
        elif len(self._heap) < self.most:
            heapq.heappush(self._heap, -value)
            self._held[value] = [Held(tokens, answer_tokens)]
        elif value < -self._heap[0]:
            del self._held[-heapq.heapreplace(self._heap, -value)]
            self._held[value] = [Held(tokens, answer_tokens)]

    def chosen(self) -> dict[int, list[Held]]:
        """Return hash -> rows of the dev split: `fraction` of the rows, at least one, and never all of them.

        Repeated rows stay together; a group larger than the places left is passed over, unless nothing
        smaller is there.
        """
        wanted = min(max(1, round(self.rows * self.fraction)), self.most)
        found: dict[int, list[Held]] = {}
        for value in sorted(self._held):
            rows = self._held[value]
            if len(rows) <= min(wanted, self.rows - 1):
                found[value] = rows
                wanted -= len(rows)
        smallest = min(self._held, key=lambda value: (len(self._held[value]), value), default=0)
        if not found and smallest and len(self._held[smallest]) * 2 <= self.rows:
            found[smallest] = self._held[smallest]
        return found
