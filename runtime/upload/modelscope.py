"""Upload by ModelScope's own client. `MODELSCOPE_ENDPOINT` and `MODELSCOPE_API_TOKEN` are the client's."""

from __future__ import annotations

import os
from pathlib import Path

from modelscope_hub import HubApi


def has_token() -> bool:
    """Return whether there is a token in the environment, or from `modelscope login`."""
    return bool(os.environ.get("MODELSCOPE_API_TOKEN") or HubApi().get_cookies())


def upload(folder: Path, repository: str, private: bool, message: str) -> str:
    """Make the repository if it is not there, upload the folder, return its address."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    api = HubApi()
    if not api.repo_exists(repository, "model"):
        api.create_repo(repository, "model", visibility="private" if private else "public")
    api.upload_folder(repository, "model", folder, commit_message=message, disable_tqdm=True, use_cache=False)
    return f"{str(api.resolve_endpoint_for_read(repository)).rstrip('/')}/models/{repository}"
