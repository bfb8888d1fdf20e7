"""Rows that nearly repeat an earlier one: MinHash signatures, compared where locality-sensitive hashing says
that it is worth it (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3).

About 0.7 KB a row, so this is done on request only.
"""

from __future__ import annotations

import re
from array import array
from hashlib import blake2b

from runtime.data.conversation import Conversation
from runtime.data.duplicates import SeenRows

THRESHOLD = 0.85
"""Estimated share of common pieces (Jaccard similarity) from which on two rows are nearly the same."""

SHINGLE = 5
"""Characters of a piece: the usual choice for short texts, and one that needs no words, as in Chinese."""

BANDS, BAND_ROWS = 12, 5
"""Rows of similarity s meet in some band with probability 1 - (1 - s^5)^12: 99.8 % at 0.85, 31 % at 0.5."""

HASHES = BANDS * BAND_ROWS
SEED = 42
SPACE = re.compile(r"\s+")


def text_of(conversation: Conversation) -> str:
    """Return what is compared: all texts of a row, in lower case, with single blanks."""
    texts = (message["content"] for message in conversation.messages())
    return SPACE.sub(" ", "\n".join(texts).casefold()).strip()


def signature(text: str) -> list[int]:
    """Return HASHES numbers of 32 bits; the share of equal ones estimates the similarity of two texts."""
    from rensa import RMinHash

    found = RMinHash(num_perm=HASHES, seed=SEED)
    pieces = {text[start : start + SHINGLE] for start in range(max(1, len(text) - SHINGLE + 1))}
    found.update(list(pieces))
    return list(found.digest())


class NearRows:
    """Remembers signatures, and under which number each row came."""

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self.threshold = threshold
        self.signatures = array("I")
        self.rows = array("Q")
        self.bands = [SeenRows() for _ in range(BANDS)]

    def find(self, conversation: Conversation) -> int:
        """Return the number of an earlier row that is nearly the same, or 0."""
        return self._nearest(signature(text_of(conversation)))

    def first(self, conversation: Conversation, row: int) -> int:
        """Return the number of an earlier row that is nearly the same; 0 for a new one: it is remembered."""
        hashes = signature(text_of(conversation))
        near = self._nearest(hashes)
        if near:
            return near
        self.signatures.extend(hashes)
        self.rows.append(row)
        for band, seen in enumerate(self.bands):
            seen.first(band_hash(hashes, band), len(self.rows))
        return 0

    def _nearest(self, hashes: list[int]) -> int:
        candidates = {seen.find(band_hash(hashes, band)) for band, seen in enumerate(self.bands)} - {0}
        best = max(((self._similarity(hashes, place), -place) for place in candidates), default=(0.0, 0))
        return int(self.rows[-best[1] - 1]) if best[0] >= self.threshold else 0

    def _similarity(self, hashes: list[int], place: int) -> float:
        start = (place - 1) * HASHES
        known = self.signatures[start : start + HASHES]
        return sum(map(int.__eq__, hashes, known)) / HASHES


def band_hash(hashes: list[int], band: int) -> int:
    """Return a 64-bit hash of one band of a signature, never 0."""
    part = array("I", hashes[band * BAND_ROWS : (band + 1) * BAND_ROWS]).tobytes()
    return int.from_bytes(blake2b(part, digest_size=8).digest(), "little") or 1
