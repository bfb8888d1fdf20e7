"""Find the tensors of `pytorch_model.bin` without torch and without running what the file asks for.

The file is a zip of one pickle and one uncompressed member per storage (torch 1.6 and later). The pickle
is read with the few names that tensors need; what comes out is the place of every tensor in the file, so
that nothing is loaded and the rest of the program treats it like a safetensors file.
"""

from __future__ import annotations

import collections
import json
import math
import struct
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.tensor_files import STORED, Entry, Planned
from runtime.workers.weights_pickle import Forbidden, Names, read_pickle

BIN = "pytorch_model.bin"
BIN_INDEX = "pytorch_model.bin.index.json"

STORAGES = {"FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "DoubleStorage": "F64"}
"""torch's storage types that weights have -> safetensors precision."""

OTHER_STORAGES = {
    "LongStorage": 8,
    "IntStorage": 4,
    "ShortStorage": 2,
    "CharStorage": 1,
    "ByteStorage": 1,
    "BoolStorage": 1,
}
"""Types of tensors that are no weights, such as stored positions; bytes of a number."""


class Storage(NamedTuple):
    """A member of the zip: `kind` is its type, `start` where its numbers begin in the file."""

    kind: str
    start: int
    numbers: int


class Tensor(NamedTuple):
    """A view of a storage, in numbers and not in bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *ignored: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise Forbidden("a tensor without a storage")
    return Tensor(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


def _parameter(tensor: Any, *ignored: Any) -> Any:
    return tensor


class _Kind(str):
    """Name of a storage type."""


NAMES: Names = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **{("torch", name): _Kind(name) for name in (*STORAGES, *OTHER_STORAGES)},
}
"""All that a state dict of torch names."""


def bin_entries(path: Path) -> dict[str, Planned]:
    """Return tensor name -> its place in one file; `RefusedError` for anything but a plain state dict."""
    remedy = say("It is probably a torn download; fetch it again.")
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise RefusedError(say("There is no file {path}.", path=path)) from None
    except (OSError, zipfile.BadZipFile):
        raise RefusedError(
            say("{path} is not a weight file of torch 1.6 or later.", path=path),
            say("It is older, or torn."),
            say("Take a version of the model with safetensors, or fetch it again."),
        ) from None
    with archive, path.open("rb") as file:
        members = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in members if name.endswith("/data.pkl") or name == "data.pkl"]
        if len(pickles) != 1:
            raise RefusedError(say("{path} holds no weights that torch saved.", path=path), "", remedy)
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in members and archive.read(f"{root}byteorder") != b"little":
            raise RefusedError(say("{path} was written on a big-endian machine.", path=path))

        def place(reference: Any) -> Storage:
            word, kind, key, _, numbers = reference
            if word != "storage" or not isinstance(kind, _Kind):
                raise Forbidden("a storage of unknown kind")
            info = members[f"{root}data/{key}"]
            width = STORED[STORAGES[kind]].itemsize if kind in STORAGES else OTHER_STORAGES[kind]
            if info.compress_type != zipfile.ZIP_STORED or info.file_size < int(numbers) * width:
                raise RefusedError(
                    say("{path} stores {name} compressed or cut off.", path=path, name=info.filename),
                    "",
                    say("Save it again with torch.save, or take a version with safetensors."),
                )
            return Storage(str(kind), data_start(file, info), int(numbers))

        values = read_pickle(archive.read(pickles[0]), NAMES, path, place)
    if not isinstance(values, dict):
        raise RefusedError(say("{path} holds no table of weights.", path=path))
    return {str(name): planned(path, str(name), value) for name, value in values.items()}


def data_start(file: Any, info: zipfile.ZipInfo) -> int:
    """Return where a member's bytes begin: behind its own header, whose length varies."""
    file.seek(info.header_offset)
    header = file.read(30)
    name, extra = struct.unpack("<HH", header[26:30])
    return int(info.header_offset + 30 + name + extra)


def planned(path: Path, name: str, value: Any) -> Planned:
    """Return where a tensor lies; a transposed matrix is one that is stored the other way round."""
    if not isinstance(value, Tensor):
        raise RefusedError(say("{path} holds {name}, which is no weight.", path=path, name=name))
    storage, shape = value.storage, value.shape
    if storage.kind not in STORAGES:
        raise RefusedError(
            say("{path} holds {name} as {kind} numbers.", path=path, name=name, kind=storage.kind),
            say("Weights are float32, float16, bfloat16 or float64."),
        )
    dtype = STORAGES[storage.kind]
    width = STORED[dtype].itemsize
    size = math.prod(shape)
    start = storage.start + value.offset * width
    if value.offset < 0 or min(shape, default=0) < 0 or value.offset + size > storage.numbers:
        raise RefusedError(say("{path} is damaged at the tensor {name}.", path=path, name=name))
    if value.strides == dense(shape) or size <= 1:
        return Planned(name, Entry(path, dtype, shape, start, size * width), False)
    if len(shape) == 2 and value.strides == dense(shape[::-1])[::-1]:
        return Planned(name, Entry(path, dtype, shape[::-1], start, size * width), True)
    raise RefusedError(say("{path} holds {name} in pieces, which is not supported.", path=path, name=name))


def dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides, in numbers, of a tensor without gaps, rows first."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def bin_files(folder: Path) -> list[Path]:
    """Return the .bin files of a model folder, as its index says; nothing when it has none."""
    index = folder / BIN_INDEX
    if index.is_file():
        try:
            weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
            return [folder / Path(file).name for file in sorted(set(weight_map.values()))]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RefusedError(say("{path} is damaged.", path=index), "", say("Fetch it again.")) from None
    return [folder / BIN] if (folder / BIN).is_file() else []


def folder_bins(folder: Path) -> dict[str, Planned]:
    """Return tensor name -> its place over all .bin files of a folder."""
    return {name: tensor for path in bin_files(folder) for name, tensor in bin_entries(path).items()}
