"""What is uploaded, and how a hub's refusal is said."""

from __future__ import annotations

import importlib
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from planner.errors import BadInput
from planner.language import say
from planner.plan import Plan
from runtime.acquire.hubs import UNREACHABLE
from runtime.model_card import card
from runtime.results import result_folder
from runtime.run.layout import RunFolder
from runtime.run.status import read_status

CARD = "README.md"


class Hub(NamedTuple):
    """How a hub is called, and where its token is read from."""

    title: str
    token_variable: str
    token_page: str


HUBS = {
    "huggingface": Hub("Hugging Face", "HF_TOKEN", "https://huggingface.co/settings/tokens"),
    "modelscope": Hub("ModelScope", "MODELSCOPE_API_TOKEN", "https://modelscope.cn/my/myaccesstoken"),
    "aistudio": Hub("AI Studio", "AISTUDIO_ACCESS_TOKEN", "https://aistudio.baidu.com/account/accessToken"),
}
"""Name on the command line -> hub."""


class Parcel(NamedTuple):
    """What would be uploaded."""

    files: dict[str, Path]
    """Name in the repository -> file."""
    card: str

    @property
    def bytes(self) -> int:
        """Size of everything."""
        return sum(path.stat().st_size for path in self.files.values()) + len(self.card.encode())


def pack(run: RunFolder, plan: Plan, repository: str) -> Parcel:
    """Return the merged model of a run (or the adapter that stays beside its base) with its card."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise BadInput(
            say("{repository} is no name of a repository.", repository=repository),
            remedy=say("It is OWNER/NAME, such as me/my-model."),
        )
    status = read_status(run)
    model = result_folder(run, status, "merge")
    files = {path.name: path for path in sorted(model.iterdir()) if path.is_file() and path.name[0] != "."}
    files.pop(CARD, None)
    return Parcel(files, card(run, plan, status.view, repository))


def upload(parcel: Parcel, to: str, repository: str, *, private: bool) -> str:
    """Upload and return the address. BadInput says why a hub refuses.

    The clients upload folders, so a temporary one of links is made; nothing is written into the run.
    """
    hub = HUBS[to]
    client = importlib.import_module(f"runtime.upload.{to}")
    if not client.has_token():
        raise BadInput(
            say(
                "{hub} needs a token to upload with, and {variable} is not set.",
                hub=hub.title,
                variable=hub.token_variable,
            ),
            remedy=say("Make one with the right to write at {page}.", page=hub.token_page),
        )
    with tempfile.TemporaryDirectory(prefix="steersman-upload-") as name:
        folder = Path(name)
        for file, path in parcel.files.items():
            link_or_copy(path, folder / file)
        (folder / CARD).write_text(parcel.card, encoding="utf-8")
        try:
            return str(client.upload(folder, repository, private, say("Upload by Steersman")))
        except BadInput:
            raise
        except Exception as error:
            raise in_words(error, hub, repository) from error


def link_or_copy(source: Path, destination: Path) -> None:
    """Link a file; copy it where links do not reach."""
    try:
        destination.symlink_to(source.resolve())
    except OSError:
        shutil.copy2(source, destination)


def in_words(error: Exception, hub: Hub, repository: str) -> BadInput:
    """Return a hub's refusal as a sentence."""
    status = getattr(getattr(error, "response", None), "status_code", None) or getattr(
        error, "status_code", 0
    )
    names = {kind.__name__ for kind in type(error).__mro__}
    if status in (401, 403) or names & {"PermissionDeniedError", "AuthenticationError"}:
        return BadInput(
            say("{hub} does not let you write to {repository}.", hub=hub.title, repository=repository),
            remedy=say(
                "Put a token with the right to write into {variable}; make one at {page}.",
                variable=hub.token_variable,
                page=hub.token_page,
            ),
        )
    if names & UNREACHABLE:
        return BadInput(
            say("{hub} cannot be reached.", hub=hub.title),
            remedy=say(
                "Check the network and run the same command again: what has arrived is not sent again."
            ),
        )
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return BadInput(
        say(
            "{repository} could not be uploaded to {hub}: {reason}",
            repository=repository,
            hub=hub.title,
            reason=first_line,
        )
    )
