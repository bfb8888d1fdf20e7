"""The Hugging Face hub by its own client, which reads `HF_ENDPOINT`, `HF_TOKEN` and the proxy settings."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]
from huggingface_hub.utils.tqdm import disable_progress_bars

from runtime.acquire.listing import Listing, RemoteFile

TIMEOUT_SECONDS = 15.0
PARTS = ".parts"
"""Folder of half-fetched files, beside the finished ones."""


def list_files(model: str, revision: str | None) -> Listing:
    """Return the files of `model` at `revision` (default: main), pinned to its commit."""
    info = HfApi().model_info(model, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS)
    files = {
        sibling.rfilename: RemoteFile(sibling.size or 0, sibling.lfs.sha256 if sibling.lfs else None)
        for sibling in info.siblings or []
    }
    return Listing(
        info.sha or revision or "main", files, info.safetensors.total if info.safetensors else None
    )


def download(model: str, revision: str, name: str, file: RemoteFile, folder: Path) -> None:
    """Fetch one file into `folder`, continuing what an interrupted call left there.

    The client's `hf_hub_download` starts a file again from zero after its process has died, so its lower
    level is used, which continues at a given byte.
    """
    disable_progress_bars()
    part = folder / PARTS / name
    part.parent.mkdir(exist_ok=True)
    address = hf_hub_url(model, name, revision=revision)
    with part.open("ab") as destination:
        start = destination.tell()
        if start < file.size:
            http_get(
                address, destination, resume_size=start, headers=build_hf_headers(), expected_size=file.size
            )
    part.replace(folder / name)
