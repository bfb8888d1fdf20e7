"""Upload by AI Studio's own client. `AISTUDIO_ACCESS_TOKEN` and `STUDIO_GIT_HOST` are the client's.

The client prints to the standard output and gives errors as values; both are put right here.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from aistudio_sdk.config import STUDIO_MODEL_API_URL_PREFIX_DEFAULT
from aistudio_sdk.constant.err_code import ErrorEnum
from aistudio_sdk.hub import create_repo, upload_folder
from aistudio_sdk.snapshot_download import get_model_files

from planner.errors import BadInput
from planner.language import say


def has_token() -> bool:
    """Return whether there is a token in the environment."""
    return bool(os.environ.get("AISTUDIO_ACCESS_TOKEN"))


def upload(folder: Path, repository: str, private: bool, message: str) -> str:
    """Make the repository if it is not there, upload the folder, return its address.

    The client only prints which files it left out, so the hub is asked afterwards what it has.
    """
    with contextlib.redirect_stdout(sys.stderr):
        made: dict[str, Any] = create_repo(repo_id=repository, private=private)
        code = made.get("error_code")
        if code and code != ErrorEnum.REPO_ALREADY_EXIST.code:
            raise ConnectionError(str(made.get("error_msg")))
        upload_folder(repo_id=repository, folder_path=str(folder), commit_message=message)
        entries, _ = get_model_files(repository, "master")
    there = {str(entry["path"]) for entry in entries}
    if missing := sorted(path.name for path in folder.iterdir() if path.name not in there):
        raise BadInput(say("AI Studio did not take {file}.", file=missing[0]))
    prefix = os.environ.get("STUDIO_MODEL_API_URL_PREFIX", STUDIO_MODEL_API_URL_PREFIX_DEFAULT)
    return f"{prefix}/modelsdetail/{repository}"
