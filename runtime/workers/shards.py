"""Join what several processes saved into one model: tensor-parallel, pipeline and distributed checkpoints.

Three layouts are known. PaddleNLP's trainer writes `model_state.tp00_pp00.pdparams`, one file per process:
every pipeline rank has its own layers, every tensor-parallel rank its slice of them, cut as the model's
class says. Auto-parallel training writes `0.metadata`, which says where each piece of each tensor lies,
and `*.distcp` files. And a model in one `model_state.pdparams` is the case of one process. All are read
without unpickling anything but arrays. Joined tensors go to one file of raw numbers, so that the rest
treats them as any others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.tensor_files import Entry
from runtime.workers.weights_pickle import ARRAYS, Names, read_arrays, read_pickle

RANK_FILE = re.compile(r"model_state(?:\.(?:tp(?P<tp>\d+))?_?(?:pp(?P<pp>\d+))?)?\.pdparams")
RAW = "joined.raw"

PRECISION = {"float32": "F32", "float16": "F16", "float64": "F64", "uint16": "BF16"}
"""NumPy type of an array in Paddle's files -> precision in safetensors; uint16 holds the bits of bfloat16."""

Joined = Iterator[tuple[str, np.ndarray]]
Join = Callable[[list[np.ndarray]], np.ndarray]


class Ranks(NamedTuple):
    """The files of a model that several processes saved: [pipeline rank][tensor-parallel rank]."""

    files: list[list[Path]]

    @property
    def tensor_parallel_degree(self) -> int:
        """Into how many slices tensors were cut."""
        return len(self.files[0])


def rank_files(folder: Path) -> Ranks | None:
    """Return the .pdparams files of a folder by rank, None without any; `RefusedError` if one is missing."""
    found: dict[tuple[int, int], Path] = {}
    for path in folder.glob("model_state*.pdparams"):
        match = RANK_FILE.fullmatch(path.name)
        if match is None:
            raise RefusedError(
                say("{path} is of a kind that cannot be joined.", path=path),
                say("Known are slices by tensor-parallel and pipeline rank."),
            )
        found[int(match["pp"] or 0), int(match["tp"] or 0)] = path
    if not found:
        return None
    stages, slices = max(pp for pp, _ in found) + 1, max(tp for _, tp in found) + 1
    for pp in range(stages):
        for tp in range(slices):
            if (pp, tp) not in found:
                raise RefusedError(
                    say(
                        "{folder} lacks the file of tensor rank {tp}, stage {pp}.",
                        folder=folder,
                        tp=tp,
                        pp=pp,
                    ),
                    say("The checkpoint was saved by {count} processes.", count=stages * slices),
                    say("Copy the files of all machines into one folder."),
                )
    return Ranks([[found[pp, tp] for tp in range(slices)] for pp in range(stages)])


def joined_ranks(ranks: Ranks, joins: Mapping[str, Join]) -> Joined:
    """Yield name and whole tensor; `joins` says for each cut tensor how its slices go together.

    Tensors without a join must be the same on every rank. One pipeline stage is in memory at a time.
    """
    seen: set[str] = set()
    for files in ranks.files:
        slices = [read_arrays(path) for path in files]
        for name in slices[0]:
            if any(name not in part for part in slices):
                raise RefusedError(say("Not every file of the checkpoint has the tensor {name}.", name=name))
            parts = [part.pop(name) if len(slices) > 1 else part[name] for part in slices[1:]]
            parts.insert(0, slices[0][name])
            if name in seen:  # an embedding that first and last stage share
                continue
            seen.add(name)
            yield name, joined(name, parts, joins.get(name))


def joined(name: str, parts: list[np.ndarray], join: Join | None) -> np.ndarray:
    """Return one tensor from its slices, or the one that all ranks hold."""
    if len(parts) == 1:
        return parts[0]
    if join is not None:
        return np.ascontiguousarray(join(parts))
    if any(part.shape != parts[0].shape or part.tobytes() != parts[0].tobytes() for part in parts[1:]):
        raise RefusedError(
            say("The ranks of the checkpoint hold different {name}, which is not cut.", name=name),
            say("Their files are not of the same step, or a file is damaged."),
        )
    return parts[0]


def joins_of(model: Any, config: Any, degree: int, names: list[str]) -> dict[str, Join]:
    """Return how PaddleNLP puts the slices of each cut tensor together: the model's own mappings."""
    config.tensor_parallel_degree, config.tensor_parallel_rank = degree, 0
    actions: dict[str, Join] = model.get_tensor_parallel_convert_actions(
        config, names, is_split=False, ignore_error=True
    )
    return {name: action for name, action in actions.items() if name in names}


class Box:
    """Stands for the classes of Paddle's metadata: whatever fields the pickle sets."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __hash__(self) -> int:
        return id(self)


METADATA: Names = {
    **ARRAYS,
    **{
        (module, name): Box
        for module in (
            "paddle.distributed.checkpoint.metadata",
            "paddle.distributed.flex_checkpoint.dcp.metadata",
        )
        for name in ("Metadata", "LocalTensorMetadata", "LocalTensorIndex")
    },
}
"""All that `paddle.distributed.save_state_dict` names in its metadata."""


def distributed_folder(folder: Path) -> Path | None:
    """Return where the distributed checkpoint of a folder lies: the folder itself or its `dist_ckpt`."""
    return next((place for place in (folder, folder / "dist_ckpt") if any(place.glob("*.metadata"))), None)


def joined_pieces(folder: Path) -> Joined:
    """Yield name and whole tensor of a distributed checkpoint; optimizer states are left out."""
    newest = max(folder.glob("*.metadata"), key=lambda path: int(path.stem) if path.stem.isdigit() else -1)
    about = read_pickle(newest, METADATA, newest)
    places: dict[str, list[Box]] = getattr(about, "state_dict_metadata", None) or {}
    stored = getattr(about, "storage_metadata", None) or {}
    paths: dict[str, Any] = getattr(about, "flat_mapping", None) or {}
    files: dict[str, dict[str, np.ndarray]] = {}
    for key, pieces in places.items():
        name = weight_name(key, paths.get(key))
        if name is None:
            continue
        yield name, whole_tensor(folder, key, pieces, stored, files)


def weight_name(key: str, path: Any) -> str | None:
    """Return a tensor's name in the model, None for what is no weight.

    The trainer saves {"model": weights, "optimizer": states}; a plain state dict has no such level.
    """
    parts = [str(part) for part in path] if isinstance(path, (tuple, list)) else [key]
    if len(parts) == 1:
        foreign = key.startswith(("optimizer.", "master_weights."))
        return None if foreign else key.removeprefix("model.")
    return ".".join(parts[1:]) if parts[0] == "model" else None


def whole_tensor(
    folder: Path,
    key: str,
    pieces: list[Any],
    stored: Mapping[Any, str],
    files: dict[str, dict[str, np.ndarray]],
) -> np.ndarray:
    """Return one tensor, put together from its pieces; `RefusedError` unless they cover it."""
    if any(getattr(piece, "is_flattened", False) for piece in pieces):
        raise RefusedError(say("{name} was saved in flat pieces, which cannot be joined.", name=key))
    where = {
        (index.tensor_key, tuple(index.global_offset)): file
        for index, file in stored.items()
        if index.tensor_key == key
    }
    ends = [np.add(piece.global_offset, piece.local_shape) for piece in pieces]
    shape = tuple(int(size) for size in np.max(ends, axis=0)) if pieces[0].local_shape else ()
    whole: np.ndarray | None = None
    covered = 0
    for piece in {tuple(piece.global_offset): piece for piece in pieces}.values():
        offset = tuple(piece.global_offset)
        file = where.get((key, offset))
        if file is None or Path(file).name != file:
            raise RefusedError(say("The checkpoint does not say where {name} lies.", name=key))
        if file not in files:
            files[file] = read_arrays(folder / file)
        array = files[file].get(key)
        if array is None or array.shape != tuple(piece.local_shape):
            raise RefusedError(say("{path} lacks a piece of {name}.", path=folder / file, name=key))
        if array.shape == shape:
            return array
        if whole is None:
            whole = np.zeros(shape, array.dtype)
        part = zip(offset, array.shape, strict=True)
        whole[tuple(slice(start, start + size) for start, size in part)] = array
        covered += array.size
    if whole is None or covered != whole.size:
        raise RefusedError(
            say("The pieces of {name} do not make a whole.", name=key),
            say("Files of some processes are missing, or of another step."),
        )
    return whole


def write_raw(tensors: Joined, path: Path) -> dict[str, Entry]:
    """Write tensors one behind the other and return where each lies."""
    entries: dict[str, Entry] = {}
    position = 0
    with path.open("wb") as file:
        for name, array in tensors:
            if array.dtype.name not in PRECISION:
                raise RefusedError(
                    say("The tensor {name} is of type {kind}.", name=name, kind=array.dtype.name),
                    say("Weights are float32, float16, bfloat16 or float64."),
                )
            dtype = PRECISION[array.dtype.name]
            file.write(np.ascontiguousarray(array).data)
            entries[name] = Entry(path, dtype, array.shape, position, array.nbytes)
            position += array.nbytes
    return entries
