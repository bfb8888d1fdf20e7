"""Read and write safetensors files tensor by tensor, in their own precision, with one tensor in memory.

The format is a length, a JSON header and raw little-endian numbers. Reading it here, and not through the
library that the engine uses as well, keeps a proof independent; writing it here keeps bfloat16 exact, which
NumPy does not know.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"

SHARD_BYTES = 5_000_000_000
"""Largest weight file, as on the hubs."""

STORED: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "F64": np.dtype("<f8"),
}
"""safetensors precision -> how its numbers lie in memory. bfloat16 is the upper half of a float32."""


class Entry(NamedTuple):
    """Where one tensor lies."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int
    """Bytes in the file."""


Array = NDArray[Any]


def entries_of(path: Path) -> dict[str, Entry]:
    """Return tensor name -> place, from the header of one file; `RefusedError` if it is missing or torn."""
    remedy = say("It is probably a torn download; fetch the model again.")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= size - 8:
                raise RefusedError(
                    say("{path} is not a readable safetensors file.", path=path),
                    say("Its header is cut off."),
                    remedy,
                )
            header = json.loads(file.read(length))
        found = {}
        for name, place in header.items():
            if name == "__metadata__":
                continue
            begin, end = place["data_offsets"]
            dtype, shape = place["dtype"], tuple(int(axis) for axis in place["shape"])
            if 8 + length + end > size:
                raise RefusedError(
                    say("{path} is cut off inside the tensor {name}.", path=path, name=name), "", remedy
                )
            if dtype in STORED and end - begin != math.prod(shape) * STORED[dtype].itemsize:
                raise RefusedError(
                    say(
                        "{path} gives the tensor {name} a size that its shape does not have.",
                        path=path,
                        name=name,
                    ),
                    "",
                    remedy,
                )
            found[name] = Entry(path, dtype, shape, 8 + length + begin, end - begin)
    except FileNotFoundError:
        raise RefusedError(
            say("{parent} lacks the weight file {name}.", parent=path.parent, name=path.name),
            "",
            say("Fetch the model again."),
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(
            say("{path} is not a readable safetensors file.", path=path), f"{error}.", remedy
        ) from error
    return found


def folder_entries(folder: Path) -> dict[str, Entry]:
    """Return tensor name -> place over all weight files of a model folder, as its index says."""
    index = folder / INDEX
    if not index.is_file():
        if not (folder / SINGLE).exists():
            raise RefusedError(
                say("{folder} has no weights.", folder=folder),
                say("Neither {single} nor {index} is there.", single=SINGLE, index=INDEX),
            )
        return entries_of(folder / SINGLE)
    try:
        weight_map: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(
            say("{index} is damaged.", index=index), "", say("Fetch the model again.")
        ) from error
    files = {file: entries_of(folder / Path(file).name) for file in sorted(set(weight_map.values()))}
    lacking = [name for name, file in weight_map.items() if name not in files[file]]
    if lacking:
        raise RefusedError(
            say(
                "{file} lacks {name}, which the index says is there.",
                file=folder / weight_map[lacking[0]],
                name=lacking[0],
            )
        )
    return {name: files[file][name] for name, file in weight_map.items()}


def stored_array(entry: Entry) -> Array:
    """Return the tensor's numbers as they are stored (bfloat16 as its bits, uint16), memory-mapped."""
    if entry.dtype not in STORED:
        raise RefusedError(
            say("{path} holds {dtype} numbers.", path=entry.path, dtype=entry.dtype),
            say("Quantised weights cannot be fine-tuned as they are."),
            say("Take the float32, float16 or bfloat16 version of the model."),
        )
    mapped: Array = np.memmap(entry.path, STORED[entry.dtype], "r", entry.start, entry.shape or (1,))
    return mapped.reshape(entry.shape)


def float_array(entry: Entry) -> Array:
    """Return the tensor as float32 (float64 stays), exactly."""
    stored = stored_array(entry)
    if entry.dtype == "BF16":
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return np.asarray(stored, np.float64 if entry.dtype == "F64" else np.float32)


class Planned(NamedTuple):
    """A tensor that will be written: its new name, its source, and whether rows and columns change places."""

    name: str
    source: Entry
    transposed: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in the new file."""
        return self.source.shape[::-1] if self.transposed else self.source.shape

    @property
    def size(self) -> int:
        """Bytes in the new file."""
        return math.prod(self.shape) * STORED[self.source.dtype].itemsize

    def value(self) -> Array:
        """Return the numbers to write, as stored."""
        stored = stored_array(self.source)
        return stored.T if self.transposed else stored


def write_tensors(path: Path, tensors: list[Planned], framework: str) -> Iterator[Planned]:
    """Write `tensors` to one file and fsync it, yielding each tensor once it is written.

    `framework` goes into the metadata: PaddleNLP refuses to load anything but `np` as its own.
    """
    header: dict[str, Any] = {"__metadata__": {"format": framework}}
    position = 0
    for tensor in tensors:
        end = position + tensor.size
        header[tensor.name] = {
            "dtype": tensor.source.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors:
            file.write(np.ascontiguousarray(tensor.value()).data)
            yield tensor
        file.flush()
        os.fsync(file.fileno())


def in_shards(tensors: Iterable[Planned], limit_bytes: int) -> list[list[Planned]]:
    """Distribute tensors, in order, over files of at most `limit_bytes` (a larger one gets its own file)."""
    shards: list[list[Planned]] = [[]]
    used = 0
    for tensor in tensors:
        if shards[-1] and used + tensor.size > limit_bytes:
            shards.append([])
            used = 0
        shards[-1].append(tensor)
        used += tensor.size
    return shards


def write_safetensors(
    tensors: list[Planned],
    folder: Path,
    framework: str,
    each: Callable[[int, int], None],
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write tensors into `folder` as safetensors, one in memory at a time, and an index for several files.

    `each(done_bytes, total_bytes)` is called after each tensor and may raise.
    """
    shards = in_shards(tensors, shard_bytes)
    total, done = sum(tensor.size for tensor in tensors), 0
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        file = SINGLE if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        for tensor in write_tensors(folder / file, shard, framework):
            weight_map[tensor.name] = file
            done += tensor.size
            each(done, total)
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
