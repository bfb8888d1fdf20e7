"""Upload by Hugging Face's own client, which reads `HF_ENDPOINT`, `HF_TOKEN` and the proxy settings."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi, get_token
from huggingface_hub.utils.tqdm import disable_progress_bars


def has_token() -> bool:
    """Return whether there is a token, in the environment or from `hf auth login`."""
    return bool(get_token())


def upload(folder: Path, repository: str, private: bool, message: str) -> str:
    """Make the repository if it is not there, upload the folder in one commit, return its address."""
    disable_progress_bars()
    api = HfApi()
    made = api.create_repo(repository, private=private, repo_type="model", exist_ok=True)
    api.upload_folder(repo_id=made.repo_id, folder_path=folder, commit_message=message)
    return str(made)
