"""AI Studio by its own client. `STUDIO_GIT_HOST` and `AISTUDIO_ACCESS_TOKEN` are the client's.

The client prints to the standard output and swallows download errors; both are put right here.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from aistudio_sdk.config import TEMPORARY_FOLDER_NAME
from aistudio_sdk.file_download import get_git_info, model_file_download
from aistudio_sdk.snapshot_download import get_model_files

from planner.language import say
from runtime.acquire.listing import Listing, RemoteFile, wanted_files


def list_files(model: str, revision: str | None) -> Listing:
    """Return the files of `model` at `revision` (default: master), pinned to its commit.

    The tree gives the size of a large file's pointer, so the sizes of the wanted files are asked for one by
    one.
    """
    with contextlib.redirect_stdout(sys.stderr):
        entries, detail = get_model_files(model, revision or "master")
        commit = str(detail.get("Revision") or revision or "master")
        tree = {
            str(entry["path"]): RemoteFile(int(entry.get("size") or 0))
            for entry in entries
            if entry["type"] == "blob"
        }
        files = dict(tree)
        for name in wanted_files(model, Listing(commit, tree)):
            info = get_git_info(model, name, commit, None)
            if "size" not in info:
                raise ConnectionError(
                    say("AI Studio does not describe {file}: {answer}", file=name, answer=info)
                )
            files[name] = RemoteFile(int(info["size"]), info.get("Sha256"))
    return Listing(commit, files)


def download(model: str, revision: str, name: str, file: RemoteFile, folder: Path) -> None:
    """Fetch one file into `folder`, continuing what an interrupted call left there."""
    with contextlib.redirect_stdout(sys.stderr):
        model_file_download(model, name, revision=revision, local_dir=str(folder))
    path, left = folder / name, folder / TEMPORARY_FOLDER_NAME / name
    if not path.is_file() and left.is_file() and left.stat().st_size == file.size:
        # The client forgets to put a file in its place when it was fetched in more than one go.
        left.replace(path)
    if not path.is_file() or path.stat().st_size != file.size:
        raise ConnectionError(say("AI Studio did not deliver {file}", file=name))
