"""Data sets of a hub: `hf:owner/name`, `ms:owner/name`, `aistudio:owner/name`, with a folder of it
(`hf:owner/name:folder`) and a revision (`@main`) where there are several. Fetched once, file by file, by the
hub's own client, and pinned to a commit; or only the first rows, streamed.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from planner.errors import BadInput, SteersmanError
from planner.language import say
from runtime.acquire.disk import require_room
from runtime.acquire.hubs import HUBS, UNREACHABLE
from runtime.data.json_rows import RawRow
from runtime.data.sources import DEV_NAMES, SUFFIXES, TEXT_SUFFIX, TRAIN_NAMES
from runtime.data.tables import stream_address
from runtime.paths import home

PREFIXES = {
    "hf": "huggingface",
    "huggingface": "huggingface",
    "ms": "modelscope",
    "modelscope": "modelscope",
    "aistudio": "aistudio",
}
"""What may stand before the colon."""

NAME = re.compile(
    r"(?:(?P<hub>hf|huggingface|ms|modelscope|aistudio):)?(?P<id>[\w.-]+/[\w.-]+)(?::(?P<part>[\w./-]+))?(?:@(?P<revision>[\w./-]+))?"
)
TIMEOUT_SECONDS = 15.0
Progress = Callable[[float, float, str, str], None]


class HubData(NamedTuple):
    """What a name means: a hub, a data set of it, perhaps one of its folders, perhaps a revision."""

    hub: str
    id: str
    part: str | None
    revision: str | None

    @property
    def title(self) -> str:
        """What people call the hub."""
        return HUBS[self.hub].title


class Chosen(NamedTuple):
    """The files of a data set at one commit: role -> name -> size."""

    commit: str
    files: dict[str, dict[str, int]]


def read_name(text: str) -> HubData | None:
    """Return what a name means on a hub; None for one that means something else."""
    match = NAME.fullmatch(text.strip())
    if match is None:
        return None
    path = Path(text)
    if match["hub"] is None and (path.suffix.lower() in (*SUFFIXES, TEXT_SUFFIX) or path.parent.exists()):
        return None
    return HubData(PREFIXES[match["hub"] or "hf"], match["id"], match["part"], match["revision"])


def resolve_hub(text: str, progress: Progress = lambda done, total, unit, message: None) -> Path | None:
    """Return the folder of a hub's data set, fetched unless it is there; None for a name that is none.

    Raises `BadInput` when it cannot be had, or it is not clear which of its files are meant.
    """
    wanted = read_name(text)
    if wanted is None:
        return None
    with errors_in_words(wanted):
        chosen = choose(wanted, *CLIENTS[wanted.hub][0](wanted))
        name = "--".join(
            re.sub(r"[^\w.-]", "_", part) for part in (wanted.hub, wanted.id, wanted.part or "all")
        )
        folder = home() / "data" / f"{name}-{chosen.commit[:12]}"
        if folder.is_dir():
            return folder
        partial = folder.with_name(f".{folder.name}.partial")
        partial.mkdir(parents=True, exist_ok=True)
        every = [(role, name, size) for role, files in chosen.files.items() for name, size in files.items()]
        total = sum(size for _, _, size in every)
        require_room(partial, total, say("{id} from {hub}", id=wanted.id, hub=wanted.title))
        done = 0
        for number, (role, name, size) in enumerate(every):
            progress(done, total, "bytes", say("fetching {name}", name=name))
            target = partial / role / f"{number:04}-{PurePosixPath(name).name}"
            if not target.is_file():
                target.parent.mkdir(exist_ok=True)
                fetched = CLIENTS[wanted.hub][1](wanted, chosen.commit, name, partial / "incoming")
                fetched.replace(target)
            done += size
        shutil.rmtree(partial / "incoming", ignore_errors=True)
        partial.replace(folder)
    return folder


def first_rows_of(text: str, rows: int) -> Iterator[RawRow]:
    """Yield the first rows of a data set on Hugging Face without fetching the rest of it."""
    wanted = read_name(text)
    if wanted is None or wanted.hub != "huggingface":
        raise BadInput(
            say("Only data sets of Hugging Face can be streamed, not {name}.", name=text),
            remedy=say("Leave --rows out: the data set is fetched whole."),
        )
    from huggingface_hub import hf_hub_url

    with errors_in_words(wanted):
        chosen = choose(wanted, *hugging_face_files(wanted))
        streams = (
            stream_address(hf_hub_url(wanted.id, name, repo_type="dataset", revision=chosen.commit))
            for name in chosen.files["train"]
        )
        yield from itertools.islice(itertools.chain.from_iterable(streams), rows)


def choose(wanted: HubData, commit: str, sizes: dict[str, int]) -> Chosen:
    """Return which files are meant; raises `BadInput` when that is not clear."""
    part = f"{wanted.part}/" if wanted.part else ""
    names = sorted(
        name
        for name in sizes
        if PurePosixPath(name).suffix.lower() in (*SUFFIXES, TEXT_SUFFIX)
        and (name.startswith(part) or name == wanted.part)
    )
    roles = {name: role_of(name.removeprefix(part)) for name in names}
    train = [name for name in names if roles[name] == "train"] or [
        name for name in names if roles[name] == ""
    ]
    folders = sorted({str(PurePosixPath(name).parent) for name in train})
    unclear = len(folders) > 1 or (len(train) > 1 and not any(roles[name] == "train" for name in train))
    if not train or unclear:
        options = [folder for folder in folders if folder != "."] or train
        raise BadInput(
            say("{id} has no training file.", id=wanted.id)
            if not train
            else say("{id} holds several data sets: {names}.", id=wanted.id, names=", ".join(options[:8])),
            remedy=say("Name one of them: hf:{id}:{part}", id=wanted.id, part=options[0]) if train else "",
        )
    dev = [name for name in names if roles[name] == "dev" and str(PurePosixPath(name).parent) in folders]
    files = {"train": {name: sizes[name] for name in train}, "dev": {name: sizes[name] for name in dev}}
    return Chosen(commit, {role: found for role, found in files.items() if found})


def role_of(name: str) -> str:
    """Return train, dev, other (test files and the like), or nothing for a name that says none of it."""
    for role, words in (("train", TRAIN_NAMES), ("dev", DEV_NAMES), ("other", ("test", "heldout"))):
        pattern = re.compile(rf"(?:^|/)({'|'.join(words)})(?:[-_./]|$)", re.IGNORECASE)
        if pattern.search(name):
            return role
    return ""


def hugging_face_files(wanted: HubData) -> tuple[str, dict[str, int]]:
    """Return the commit and the files with their sizes."""
    from huggingface_hub import HfApi

    info = HfApi().dataset_info(
        wanted.id, revision=wanted.revision, files_metadata=True, timeout=TIMEOUT_SECONDS
    )
    sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or []}
    return info.sha or wanted.revision or "main", sizes


def hugging_face_download(wanted: HubData, commit: str, name: str, folder: Path) -> Path:
    """Fetch one file and return where it lies."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    return Path(hf_hub_download(wanted.id, name, repo_type="dataset", revision=commit, local_dir=str(folder)))


def modelscope_files(wanted: HubData) -> tuple[str, dict[str, int]]:
    """Return the newest commit and the files with their sizes."""
    from modelscope_hub import HubApi

    api = HubApi()
    api = HubApi(endpoint=api.resolve_endpoint_for_read(wanted.id))
    revision = wanted.revision or "master"
    entries = api.legacy.list_repo_files(repo_id=wanted.id, repo_type="dataset", revision=revision)
    blobs = [entry for entry in entries if entry.get("Type", "blob") == "blob"]
    newest = max(blobs, key=lambda entry: entry.get("CommittedDate") or 0, default={})
    return str(newest.get("Revision") or revision), {entry["Path"]: int(entry["Size"]) for entry in blobs}


def modelscope_download(wanted: HubData, commit: str, name: str, folder: Path) -> Path:
    """Fetch one file and return where it lies."""
    from modelscope_hub import HubApi

    api = HubApi()
    api = HubApi(endpoint=api.resolve_endpoint_for_read(wanted.id))
    return Path(api.download_file(wanted.id, "dataset", name, revision=commit, local_dir=folder))


def aistudio_files(wanted: HubData) -> tuple[str, dict[str, int]]:
    """Return the commit and the files with their sizes.

    The tree gives the size of a large file's pointer, so the sizes of data files are asked for one by one.
    """
    from aistudio_sdk.file_download import get_git_info
    from aistudio_sdk.snapshot_download import get_model_files

    with contextlib.redirect_stdout(sys.stderr):  # the client prints
        entries, detail = get_model_files(wanted.id, wanted.revision or "master")
        commit = str(detail.get("Revision") or wanted.revision or "master")
        sizes = {entry["path"]: int(entry.get("size") or 0) for entry in entries if entry["type"] == "blob"}
        for name in sizes:
            if PurePosixPath(name).suffix.lower() in (*SUFFIXES, TEXT_SUFFIX):
                info = get_git_info(wanted.id, name, commit, None)
                sizes[name] = int(info.get("size") or sizes[name])
    return commit, sizes


def aistudio_download(wanted: HubData, commit: str, name: str, folder: Path) -> Path:
    """Fetch one file and return where it lies."""
    from aistudio_sdk.config import TEMPORARY_FOLDER_NAME
    from aistudio_sdk.file_download import file_download

    with contextlib.redirect_stdout(sys.stderr):
        file_download(wanted.id, name, revision=commit, local_dir=str(folder), repo_type="dataset")
    path, left = folder / name, folder / TEMPORARY_FOLDER_NAME / name
    if not path.is_file() and left.is_file():
        left.replace(path)  # the client forgets a file that was fetched in more than one go
    if not path.is_file():
        raise ConnectionError(say("AI Studio did not deliver {file}", file=name))
    return path


CLIENTS = {
    "huggingface": (hugging_face_files, hugging_face_download),
    "modelscope": (modelscope_files, modelscope_download),
    "aistudio": (aistudio_files, aistudio_download),
}
"""Hub -> what lists the files of a data set, and what fetches one."""


@contextmanager
def errors_in_words(wanted: HubData) -> Iterator[None]:
    """Turn what a client raises into one sentence."""
    try:
        yield
    except (SteersmanError, OSError) as error:
        if isinstance(error, SteersmanError) or type(error).__name__ not in KNOWN:
            raise
        raise in_words(wanted, error) from error
    except Exception as error:
        raise in_words(wanted, error) from error


KNOWN = UNREACHABLE | {"RepositoryNotFoundError", "RevisionNotFoundError", "GatedRepoError", "HfHubHTTPError"}


def in_words(wanted: HubData, error: Exception) -> BadInput:
    """Return why a data set cannot be had."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    name = type(error).__name__
    if name in UNREACHABLE:
        return BadInput(
            say("{hub} cannot be reached.", hub=wanted.title),
            remedy=say("Check the connection, or name a file on this machine."),
        )
    if name == "GatedRepoError" or status in (401, 403):
        return BadInput(
            say(
                "{hub} gives {id} only to people who are allowed to have it.", hub=wanted.title, id=wanted.id
            ),
            remedy=say("Set {variable} to your token.", variable=HUBS[wanted.hub].token_variable),
        )
    if status == 404 or "NotFound" in name or name == "NotExistError":
        return BadInput(
            say("{hub} has no data set {id} (or no such revision).", hub=wanted.title, id=wanted.id)
        )
    reason = next(iter(str(error).splitlines()), name)
    return BadInput(say("{hub} refused {id}: {reason}.", hub=wanted.title, id=wanted.id, reason=reason))
