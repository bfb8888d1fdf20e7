"""Row lengths as an exact histogram: a counter per distinct length, so memory does not grow with the rows."""

from __future__ import annotations

import itertools
import math
from collections import Counter

from planner.facts import TokenLengths


class LengthCounter:
    """Counts row lengths and answer tokens; rows can be taken out again (those that go to the dev split)."""

    def __init__(self) -> None:
        self.lengths: Counter[int] = Counter()
        self.answer_tokens = 0

    def add(self, tokens: int, answer_tokens: int, times: int = 1) -> None:
        """Count a row `times` times; a negative number takes rows out."""
        self.lengths[tokens] += times
        self.answer_tokens += answer_tokens * times

    def percentile(self, share: float) -> int:
        """Return the least length that `share` (0 to 1) of the rows do not exceed; 0 without rows."""
        wanted = max(1, math.ceil(share * self.lengths.total() - 1e-9))
        running = itertools.accumulate(
            ((length, self.lengths[length]) for length in sorted(self.lengths)), _add
        )
        return next((length for length, count in running if count >= wanted), 0)

    def longer_than(self, tokens: int) -> int:
        """Return how many rows have more than `tokens` tokens."""
        return sum(count for length, count in self.lengths.items() if length > tokens)

    def facts(self, counted: bool) -> TokenLengths:
        """Return the distribution; `counted` says whether by the model's own tokenizer."""
        rows = self.lengths.total()
        total = sum(length * count for length, count in self.lengths.items())
        return TokenLengths(
            mean=round(total / rows, 1) if rows else 0.0,
            p50=self.percentile(0.5),
            p90=self.percentile(0.9),
            p99=self.percentile(0.99),
            max=self.percentile(1),
            total=total,
            answer_total=self.answer_tokens,
            counted=counted,
        )

    def histogram(self, buckets: int = 12) -> list[tuple[int, int, int]]:
        """Return (from, to, rows) of equal buckets up to the 99th percentile; the last holds the rest."""
        low, longest = self.percentile(0), self.percentile(1)
        width = max(1, math.ceil((self.percentile(0.99) - low + 1) / buckets))
        counts: Counter[int] = Counter()
        for length, count in self.lengths.items():
            counts[min(buckets - 1, (length - low) // width)] += count
        last = max((index for index, count in counts.items() if count > 0), default=-1)
        return [
            (low + index * width, longest if index == last else low + (index + 1) * width - 1, counts[index])
            for index in range(last + 1)
        ]


def _add(running: tuple[int, int], entry: tuple[int, int]) -> tuple[int, int]:
    return entry[0], running[1] + entry[1]
