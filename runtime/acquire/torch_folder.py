"""A model folder whose weights are `pytorch_model.bin`: read without torch, written again as safetensors."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from planner.errors import BadInput
from planner.language import say
from runtime.acquire.disk import require_room
from runtime.acquire.listing import INDEX, SMALL_FILES
from runtime.acquire.report import Progress
from runtime.workers.folder_manifest import describe, difference, publish, verify
from runtime.workers.refusal import RefusedError
from runtime.workers.tensor_files import Planned, write_safetensors
from runtime.workers.torch_bin import BIN_INDEX, bin_files, folder_bins


@contextmanager
def refusals_in_words() -> Iterator[None]:
    """Turn what a worker's module refuses into the app's own error."""
    try:
        yield
    except RefusedError as error:
        raise BadInput(error.what, why=error.why, remedy=error.remedy) from error


def has_only_bins(folder: Path) -> bool:
    """Return whether a folder's weights are .bin files and no safetensors."""
    return (
        any(folder.glob("pytorch_model*.bin"))
        and not (folder / "model.safetensors").is_file()
        and not (folder / INDEX).is_file()
    )


def tensors_of(folder: Path) -> dict[str, Planned]:
    """Return tensor name -> its place in the folder's .bin files; BadInput if one is broken or not plain."""
    with refusals_in_words():
        return folder_bins(folder)


def write_weights(source: Path, folder: Path, progress: Progress) -> None:
    """Write the .bin weights of `source` into `folder` as safetensors, each number as it is."""
    tensors = list(tensors_of(source).values())
    require_room(folder, sum(tensor.size for tensor in tensors), say("The converted model"))
    with refusals_in_words():
        write_safetensors(
            tensors,
            folder,
            "pt",
            lambda done, total: progress(done, total, "bytes", say("converting weights")),
        )


def replace_bins(folder: Path, progress: Progress) -> None:
    """Turn a fetched folder's .bin files into safetensors, in place."""
    old = [*bin_files(folder), folder / BIN_INDEX]
    write_weights(folder, folder, progress)
    for path in old:
        path.unlink(missing_ok=True)


def converted_copy(source: Path, models_folder: Path, progress: Progress) -> Path:
    """Return a folder in the cache with the contents of `source` as safetensors, made once."""
    name = hashlib.sha256(str(source).encode()).hexdigest()[:12]
    destination = models_folder / f"local--{source.name}-{name}"
    about, _ = verify(destination)
    if about is not None and not difference(source, about.get("source_files", {})):
        return destination
    partial = models_folder / f".partial-{destination.name}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for pattern in SMALL_FILES:
            for path in source.glob(pattern):
                shutil.copyfile(path, partial / path.name)
        write_weights(source, partial, progress)
        publish(partial, destination, {"source_files": describe(source)})
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return destination
