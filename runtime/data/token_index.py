"""Tokens of texts as the memory-mapped files that PaddleNLP's pretraining reads: `<name>.bin`, `<name>.idx`.

The layout is that of `MMapIndexedDataset` (paddlenlp 3.0.0b4, data/indexed_dataset.py:358): the tokens of all
documents one after the other; in the index their number, lengths, byte offsets and document borders. One
document is one sequence with the end token behind it, as upstream's llm/tools/preprocess/
create_pretraining_data.py makes them with --append_eos. Unlike upstream's tool, nothing is taken out of a
text: that one drops runs of 100 equal characters.

Lengths are kept in a file while tokens are written, so memory does not grow with the corpus.
"""

from __future__ import annotations

import struct
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

MAGIC = b"MMIDIDX\x00\x00"
"""First bytes of an index (indexed_dataset.py:360)."""

VERSION = 1
DTYPE_CODES = {"uint16": 8, "int32": 4}
"""Number that the index gives to a type (indexed_dataset.py:112)."""

SMALL_VOCABULARY = 2**16 - 1
"""Below it a token fits 16 bits (create_pretraining_data.py, `save_dtype`)."""

BLOCK = 1 << 16
"""Documents whose offsets are computed at once."""


def token_type(vocabulary: int) -> str:
    """Return the type that upstream's tool gives the tokens of a vocabulary of that size."""
    return "uint16" if vocabulary < SMALL_VOCABULARY else "int32"


class TokenIndexWriter:
    """Writes one corpus. `name` is the path without ending; the index is written when the block ends."""

    def __init__(self, name: Path, vocabulary: int) -> None:
        self.name = name
        self.dtype = np.dtype(token_type(vocabulary))
        self.documents = self.tokens = 0
        self._lengths_path = name.with_name(f".{name.name}.lengths")
        self._bin = name.with_name(f"{name.name}.bin").open("wb")
        self._lengths = self._lengths_path.open("wb")

    def __enter__(self) -> TokenIndexWriter:
        return self

    def add(self, ids: list[int]) -> None:
        """Append a document; one without tokens is passed over, as upstream's tool does."""
        if not ids:
            return
        self._bin.write(np.array(ids, dtype=self.dtype).tobytes())
        self._lengths.write(struct.pack("<i", len(ids)))
        self.documents += 1
        self.tokens += len(ids)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bin.close()
        self._lengths.close()
        if kind is None:
            self._write_index()
        self._lengths_path.unlink()

    def _write_index(self) -> None:
        with self.name.with_name(f"{self.name.name}.idx").open("wb") as index:
            index.write(MAGIC + struct.pack("<Q", VERSION))
            index.write(struct.pack("<B", DTYPE_CODES[self.dtype.name]))
            index.write(struct.pack("<QQ", self.documents, self.documents + 1))
            with self._lengths_path.open("rb") as lengths:
                while block := lengths.read(4 * BLOCK):
                    index.write(block)
            start = 0
            with self._lengths_path.open("rb") as lengths:
                while block := lengths.read(4 * BLOCK):
                    sizes = np.frombuffer(block, dtype="<i4").astype(np.int64) * self.dtype.itemsize
                    ends = start + np.cumsum(sizes)
                    index.write((ends - sizes).tobytes())
                    start = int(ends[-1])
            for first in range(0, self.documents + 1, BLOCK):
                index.write(np.arange(first, min(first + BLOCK, self.documents + 1), dtype="<i8").tobytes())


class TokenIndex:
    """Reads such files again: document by document, from the disk."""

    def __init__(self, name: Path) -> None:
        raw = np.memmap(name.with_name(f"{name.name}.idx"), mode="r", dtype=np.uint8)
        if bytes(raw[: len(MAGIC)]) != MAGIC:
            raise ValueError(f"{name}.idx is no index of tokens")
        code, count, borders = struct.unpack("<BQQ", bytes(raw[17:34]))
        names = {number: name for name, number in DTYPE_CODES.items()}
        self.dtype = np.dtype(names[code])
        self.sizes = np.frombuffer(raw, dtype="<i4", count=count, offset=34)
        self.offsets = np.frombuffer(raw, dtype="<i8", count=count, offset=34 + 4 * count)
        self.borders = np.frombuffer(raw, dtype="<i8", count=borders, offset=34 + 12 * count)
        self.tokens: NDArray[np.generic] = np.memmap(
            name.with_name(f"{name.name}.bin"), mode="r", dtype=self.dtype
        )

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, number: int) -> list[int]:
        """Return the tokens of a document."""
        start = int(self.offsets[number]) // self.dtype.itemsize
        return [int(token) for token in self.tokens[start : start + int(self.sizes[number])]]
