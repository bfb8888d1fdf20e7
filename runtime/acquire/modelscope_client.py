"""ModelScope by its own client. `MODELSCOPE_ENDPOINT` and `MODELSCOPE_API_TOKEN` are the client's."""

from __future__ import annotations

import os
from pathlib import Path

from modelscope_hub import HubApi

from runtime.acquire.listing import Listing, RemoteFile


def _api(model: str) -> HubApi:
    api = HubApi()
    return HubApi(endpoint=api.resolve_endpoint_for_read(model))


def list_files(model: str, revision: str | None) -> Listing:
    """Return the files of `model` at `revision` (default: master), pinned to a commit.

    The hub does not tell a branch's commit, but the commit that last touched each file: the newest of them
    has them all.
    """
    wished = revision or "master"
    entries = _api(model).legacy.list_repo_files(repo_id=model, repo_type="model", revision=wished)
    blobs = [entry for entry in entries if entry.get("Type", "blob") == "blob"]
    files = {str(entry["Path"]): RemoteFile(int(entry["Size"]), entry.get("Sha256")) for entry in blobs}
    newest = max(blobs, key=lambda entry: entry.get("CommittedDate") or 0, default={})
    return Listing(str(newest.get("Revision") or wished), files)


def download(model: str, revision: str, name: str, file: RemoteFile, folder: Path) -> None:
    """Fetch one file into `folder`, continuing what an interrupted call left there."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    _api(model).download_file(
        model,
        "model",
        name,
        revision=revision,
        local_dir=folder,
        expected_sha256=file.sha256,
        file_size=file.size or None,
    )
