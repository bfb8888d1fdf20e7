"""Merge adapters into safetensors files of any size, with a few megabytes of memory beside the adapter.

    merged = merge_shards(base, changes, folder)            # base is a Hugging Face folder, [out, in]
    checked = check_shards(base, changes, folder)            # reads both again; raises RefusedError if
    they differ

`changes` maps the name of a tensor in the base's files to a `weight_change.Change`, such as
`LowRank(a, b, scaling)` with A [in, r], B [r, out] and scaling alpha/r. `paddle_order=True` says that the
base's linear weights are [in, out] instead, as PaddleNLP and PaddleFormers store them. The result has the
base's weight files, with the same names, headers, precision and index; other files (config, tokenizer) are
the caller's to copy, and so is renaming the folder into place. `each_block(done_bytes, total_bytes)` is
called after every piece and may raise.

Files are read piece by piece and never mapped: mapped pages would count as this process's memory. The sum of
weight and change is taken in float64 and rounded once, to the nearest number of the file's precision.
NumPy and the standard library only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.tensor_files import INDEX, STORED, Entry, entries_of, folder_entries
from runtime.workers.weight_change import Change, pushed

Array = NDArray[Any]
EachBlock = Callable[[int, int], None]

BLOCK_BYTES = 1 << 23
"""Size of a piece of a weight in float64; about five of them are in memory at a time."""

HALF_STEP = {"F64": 2.0**-52, "F32": 2.0**-24, "F16": 2.0**-11, "BF16": 2.0**-8}
"""Largest relative error of rounding to the nearest number (of float64: of computing in it)."""

LARGEST = {"F64": 1.797e308, "F32": 3.4028e38, "F16": 65504.0, "BF16": 3.3895e38}
"""Largest finite number."""

SMALLEST = {"F64": 1e-300, "F32": 2.0**-149, "F16": 2.0**-25, "BF16": 2.0**-134}
"""Largest absolute error of rounding near zero, where numbers are spaced evenly."""


class Merged(NamedTuple):
    """What was written, or checked."""

    files: int
    tensors: int
    changed: int
    largest_shard_bytes: int


def merge_shards(
    base: Path,
    changes: Mapping[str, Change],
    folder: Path,
    *,
    paddle_order: bool = False,
    each_block: EachBlock = lambda done, total: None,
) -> Merged:
    """Write the weight files of `base` with `changes` added into the existing folder `folder`; see above.

    Raises `RefusedError` when a change has no tensor in the base or another shape, or makes a weight
    infinite.
    """
    files = files_of(base)
    check_fits(
        {name: entry for entries in files.values() for name, entry in entries.items()}, changes, paddle_order
    )
    count = Counter(sum(path.stat().st_size for path in files), each_block)
    for path, entries in files.items():
        partial = folder / f".{path.name}.partial"
        with path.open("rb") as source, partial.open("wb") as target:
            header = source.read(
                min((entry.start for entry in entries.values()), default=path.stat().st_size)
            )
            target.write(header)
            count.add(len(header))
            for name, entry in entries.items():
                pieces = changed_pieces if name in changes else copied_pieces
                for piece in pieces(source, entry, changes.get(name), paddle_order):
                    target.write(piece)
                    count.add(len(piece))
            target.flush()
            os.fsync(target.fileno())
        partial.rename(folder / path.name)
    if (base / INDEX).is_file():
        shutil.copyfile(base / INDEX, folder / INDEX)
    return summary(files, changes)


def check_shards(
    base: Path,
    changes: Mapping[str, Change],
    folder: Path,
    *,
    paddle_order: bool = False,
    each_block: EachBlock = lambda done, total: None,
) -> Merged:
    """Read both folders and raise `RefusedError` unless every number is right.

    Tensors without a change must be the same bytes. The others must be, number by number, within half a step
    of their precision of the base's plus what the adapter makes of the identity: the layer's own way of
    computing, not the product that was merged.
    """
    files, written = files_of(base), folder_entries(folder)
    count = Counter(sum(path.stat().st_size for path in files), each_block)
    names = {name for entries in files.values() for name in entries}
    if names != set(written):
        strange = min(names ^ set(written))
        raise RefusedError(say("The merged files and the base differ in the tensor {name}.", name=strange))
    for path, entries in files.items():
        for name, entry in entries.items():
            other = written[name]
            same = (entry.dtype, entry.shape) == (other.dtype, other.shape)
            with path.open("rb") as one, other.path.open("rb") as two:
                same = same and all(verdicts(one, entry, two, other, changes.get(name), paddle_order, count))
            if not same:
                raise RefusedError(
                    say("The merged tensor {name} is not base plus adapter.", name=name),
                    say("It was read again from the disk and compared number by number."),
                    say("Merge again; if it fails again, this disk or this memory is not reliable."),
                )
    return summary(files, changes)


def verdicts(
    one: BinaryIO,
    entry: Entry,
    two: BinaryIO,
    other: Entry,
    change: Change | None,
    paddle_order: bool,
    count: Counter,
) -> Iterator[bool]:
    """Yield for every piece of one tensor whether base `one` plus `change` is what `two` holds."""
    if change is None:
        pairs = zip(copied_pieces(one, entry), copied_pieces(two, other), strict=True)
        for left, right in pairs:
            yield left == right
            count.add(len(left))
        return
    for rows, stored in row_blocks(one, entry):
        two.seek(other.start + rows.start * row_bytes(other))
        merged = widened(raw_block(two, other, rows), entry.dtype)
        delta = pushed_part(change, rows, paddle_order)
        allowed = HALF_STEP[entry.dtype] * (1 + 1e-4) * np.abs(merged) + SMALLEST[entry.dtype]
        allowed += 1e-12 * np.abs(delta)
        yield bool((np.abs(widened(stored, entry.dtype) + delta - merged) <= allowed).all())
        count.add(stored.nbytes)


def files_of(base: Path) -> dict[Path, dict[str, Entry]]:
    """Return weight file -> its tensors in the order in which they lie there."""
    paths = sorted({entry.path for entry in folder_entries(base).values()})
    return {path: dict(sorted(entries_of(path).items(), key=lambda item: item[1].start)) for path in paths}


def check_fits(entries: Mapping[str, Entry], changes: Mapping[str, Change], paddle_order: bool) -> None:
    """Raise `RefusedError` unless every change has a tensor of its shape."""
    for name, change in changes.items():
        if name not in entries:
            raise RefusedError(
                say("The adapter changes {name}, which the base model does not have.", name=name),
                remedy=say("Merge the adapter into the model that it was trained on."),
            )
        entry = entries[name]
        wanted = change.shape if paddle_order else change.shape[::-1]
        if entry.shape != wanted or entry.dtype not in STORED:
            raise RefusedError(
                say(
                    "The adapter changes {name} of shape {wanted}, the base has {shape} of type {kind}.",
                    name=name,
                    wanted=list(wanted),
                    shape=list(entry.shape),
                    kind=entry.dtype,
                ),
                remedy=say("Merge the adapter into the model that it was trained on."),
            )


def copied_pieces(
    file: BinaryIO, entry: Entry, change: Change | None = None, paddle_order: bool = False
) -> Iterator[bytes]:
    """Yield a tensor's bytes as they are."""
    file.seek(entry.start)
    left = entry.size
    while left:
        piece = file.read(min(left, BLOCK_BYTES))
        if not piece:
            raise RefusedError(say("{path} is cut off.", path=entry.path))
        left -= len(piece)
        yield piece


def changed_pieces(
    file: BinaryIO, entry: Entry, change: Change | None, paddle_order: bool
) -> Iterator[memoryview]:
    """Yield a tensor's bytes with the change added."""
    assert change is not None
    for rows, stored in row_blocks(file, entry):
        total = widened(stored, entry.dtype) + merged_part(change, rows, paddle_order)
        if not np.abs(total).max(initial=0.0) <= LARGEST[entry.dtype]:  # also false for what is no number
            raise RefusedError(
                say("Merging makes a weight of {path} infinite.", path=entry.path),
                say("The adapter or the base model holds numbers that are none."),
            )
        yield memoryview(narrowed(total, entry.dtype)).cast("B")  # type: ignore[arg-type]


def merged_part(change: Change, rows: slice, paddle_order: bool) -> Array:
    """Return the change of some rows of the stored weight."""
    everything = slice(None)
    return change.block(rows, everything) if paddle_order else change.block(everything, rows).T


def pushed_part(change: Change, rows: slice, paddle_order: bool) -> Array:
    """Return the same, computed as the layer computes."""
    everything = slice(None)
    return pushed(change, rows, everything) if paddle_order else pushed(change, everything, rows).T


def row_bytes(entry: Entry) -> int:
    """Return the bytes of one row of a matrix."""
    return entry.shape[1] * STORED[entry.dtype].itemsize


def row_blocks(file: BinaryIO, entry: Entry) -> Iterator[tuple[slice, Array]]:
    """Yield some rows at a time of a matrix, as stored."""
    file.seek(entry.start)
    step = max(1, BLOCK_BYTES // (8 * max(1, entry.shape[1])))
    for start in range(0, entry.shape[0], step):
        rows = slice(start, min(start + step, entry.shape[0]))
        yield rows, raw_block(file, entry, rows)


def raw_block(file: BinaryIO, entry: Entry, rows: slice) -> Array:
    """Return `rows` of a matrix as stored; `file` stands at their beginning."""
    data = file.read((rows.stop - rows.start) * row_bytes(entry))
    return np.frombuffer(data, STORED[entry.dtype]).reshape(-1, entry.shape[1])


def widened(stored: Array, dtype: str) -> Array:
    """Return stored numbers as float64, exactly."""
    if dtype == "BF16":
        return (stored.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return stored.astype(np.float64)


def narrowed(values: Array, dtype: str) -> Array:
    """Return float64 `values` as they are stored, contiguous, each rounded to the nearest number."""
    if dtype != "BF16":
        return np.ascontiguousarray(values, STORED[dtype])
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    nearest: Array = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return nearest


def summary(files: Mapping[Path, Mapping[str, Entry]], changes: Mapping[str, Change]) -> Merged:
    """Return the figures of a merge."""
    tensors = sum(len(entries) for entries in files.values())
    return Merged(len(files), tensors, len(changes), max(path.stat().st_size for path in files))


class Counter:
    """Counts bytes and says so."""

    def __init__(self, total: int, each_block: EachBlock) -> None:
        self.total, self.done, self.each_block = total, 0, each_block

    def add(self, count: int) -> None:
        """Add `count` bytes."""
        self.done += count
        self.each_block(min(self.done, self.total), self.total)
