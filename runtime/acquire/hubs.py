"""Models of a hub: what is there, and fetching it. Resumable, pinned to a commit, the disk checked first."""

from __future__ import annotations

import importlib
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from planner.errors import BadInput, SteersmanError
from planner.facts import ModelSource
from planner.language import say, template
from runtime.acquire.disk import require_room
from runtime.acquire.listing import Listing, RemoteFile, wanted_files
from runtime.acquire.report import Progress
from runtime.workers.folder_manifest import sha256_of

POLL_SECONDS = 0.5
REVISION_NOTE = ".revision"
"""File in a half-fetched folder that says of which commit the files are."""


class Hub(NamedTuple):
    """How people call a hub, where its token comes from, and the module that speaks to it."""

    title: str
    token_variable: str
    client: str


HUBS: dict[str, Hub] = {
    "huggingface": Hub("Hugging Face", "HF_TOKEN", "huggingface_client"),
    "modelscope": Hub("ModelScope", "MODELSCOPE_API_TOKEN", "modelscope_client"),
    "aistudio": Hub("AI Studio", "AISTUDIO_ACCESS_TOKEN", "aistudio_client"),
}
"""`ModelSource.kind` -> hub.

A client has `list_files(model, revision)` and `download(model, revision, name, file, folder)`.
"""

UNREACHABLE = {
    "ConnectError",
    "ConnectTimeout",
    "ConnectionError",
    "LocalEntryNotFoundError",
    "NetworkError",
    "OfflineModeIsEnabled",
    "ProxyError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "RequestTimeoutError",
    "ServerError",
    "Timeout",
    "TimeoutException",
    "TransportError",
}
"""Names of the exceptions by which the three clients say that nobody answered. (They share no base class.)"""


class UnreachableError(BadInput):
    """The hub did not answer; what is cached may still do."""


def client(source: ModelSource) -> Any:
    """Return the module that speaks to the hub of `source`; its libraries are imported only now."""
    return importlib.import_module(f"runtime.acquire.{HUBS[source.kind].client}")


def list_files(source: ModelSource) -> Listing:
    """Return what the hub holds for `source`, pinned to a commit. BadInput says why it cannot be had."""
    with hub_errors_in_words(source):
        listing: Listing = client(source).list_files(source.id, source.revision)
    if not listing.files:
        raise BadInput(say("{hub} lists no files for {model}.", hub=HUBS[source.kind].title, model=source.id))
    return listing


def fetch_from_hub(source: ModelSource, folder: Path, progress: Progress) -> dict[str, str]:
    """Fetch the model into `folder`, continuing an earlier call's work; return name -> verified sha256."""
    listing = list_files(source)
    wanted = wanted_files(source.id, listing)
    _keep_only_revision(folder, listing.revision)
    total = sum(file.size for file in wanted.values())
    there = _bytes_below(folder)
    what = say("{model} from {hub}", model=source.id, hub=HUBS[source.kind].title)
    require_room(folder, max(0, total - there), what)
    fetching = say("fetching {model}", model=source.id)
    with _watched(folder, total, progress, fetching), hub_errors_in_words(source):
        for name, file in wanted.items():
            if not _is_whole(folder / name, file):
                client(source).download(source.id, listing.revision, name, file, folder)
    for leftover in folder.iterdir():  # The clients' own books and temporary files.
        if leftover.name not in wanted:
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    return _check(source, wanted, folder, progress)


def _keep_only_revision(folder: Path, revision: str) -> None:
    """Empty `folder` if an earlier call fetched another revision: files of two commits must not mix."""
    note = folder / REVISION_NOTE
    if not note.is_file() or note.read_text(encoding="utf-8") != revision:
        shutil.rmtree(folder)
        folder.mkdir()
        note.write_text(revision, encoding="utf-8")


def _check(
    source: ModelSource, wanted: dict[str, RemoteFile], folder: Path, progress: Progress
) -> dict[str, str]:
    """Hash what came; remove a file that is not what the hub announced, so that the next call fetches it."""
    hashes = {}
    for done, (name, file) in enumerate(wanted.items()):
        progress(done, len(wanted), "files", say("verifying {file}", file=name))
        path = folder / name
        size = path.stat().st_size if path.is_file() else -1
        found = sha256_of(path) if size >= 0 else ""
        if size != file.size or (file.sha256 and found != file.sha256):
            path.unlink(missing_ok=True)
            raise BadInput(
                say("{file} of {model} arrived damaged.", file=name, model=source.id),
                why=say("It is not the file that {hub} announced.", hub=HUBS[source.kind].title),
                remedy=say("Try again: only this file is fetched anew."),
            )
        hashes[name] = found
    return hashes


def _is_whole(path: Path, file: RemoteFile) -> bool:
    """Return whether an earlier call has finished this file; the clients rename it into place only then."""
    return path.is_file() and path.stat().st_size == file.size


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # Renamed into place this very moment.
            continue
    return total


@contextmanager
def _watched(folder: Path, total: int, progress: Progress, message: str) -> Iterator[None]:
    """Report how many bytes lie below `folder` while a client writes there: the same for all of them."""
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(POLL_SECONDS):
            progress(min(_bytes_below(folder), total), total, "bytes", message)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
    progress(total, total, "bytes", message)


@contextmanager
def hub_errors_in_words(source: ModelSource) -> Iterator[None]:
    """Turn whatever a client raises into one sentence; the original is its cause."""
    try:
        yield
    except SteersmanError:
        raise
    except Exception as error:
        raise _in_words(source, error) from error


def _in_words(source: ModelSource, error: Exception) -> BadInput:
    hub = HUBS[source.kind]
    names = {kind.__name__ for link in _chain(error) for kind in type(link).__mro__}
    status = next(
        (
            code
            for link in _chain(error)
            if isinstance(code := getattr(getattr(link, "response", None), "status_code", None), int)
        ),
        0,
    )
    model = source.id
    if source.revision:
        model = say("{model} at revision {revision}", model=source.id, revision=source.revision)
    token = say("Put a token of an account that may read it into {variable}.", variable=hub.token_variable)
    if "GatedRepoError" in names or "PermissionDeniedError" in names or status == 403:
        return BadInput(
            say("{hub} does not let you read {model}.", hub=hub.title, model=model),
            why=say("Its owner asks for permission."),
            remedy=token,
        )
    if "RevisionNotFoundError" in names:
        return BadInput(
            say(
                "{hub} has {model}, but no revision {revision}.",
                hub=hub.title,
                model=source.id,
                revision=source.revision,
            )
        )
    if names & {"RepositoryNotFoundError", "NotExistError", "HFValidationError"} or status in (401, 404):
        return BadInput(
            say("{hub} has no model {model}, or it is private.", hub=hub.title, model=model),
            remedy=say("Check the name. If it is private: {token}", token=token),
        )
    if names & UNREACHABLE or status >= 500:
        return UnreachableError(
            say("{hub} cannot be reached, so {model} cannot be fetched.", hub=hub.title, model=model),
            remedy=say(
                "Check the network, give a local model folder, or use smollm2-135m-instruct, "
                "which comes from the package index."
            ),
        )
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    words = template("{model} could not be fetched from {hub}: {reason}")
    return BadInput(say(words, model=model, hub=hub.title, reason=first_line))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
