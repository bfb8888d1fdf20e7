"""The Hugging Face hub by its own client, which reads `HF_ENDPOINT`, `HF_TOKEN` and the proxy settings."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.utils.tqdm import disable_progress_bars

from runtime.acquire.listing import Listing, RemoteFile

TIMEOUT_SECONDS = 15.0


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
    """Fetch one file into `folder`, continuing what an interrupted call left there."""
    disable_progress_bars()
    hf_hub_download(model, name, revision=revision, local_dir=folder)
