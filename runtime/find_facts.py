"""Find facts, one kind at a time: a model by its name, data by reading it, a machine by looking at it.

Every function is meant for a thread: it says what it does (`report`), how far it is (`progress`), and ends
when one of these callbacks raises, leaving nothing half done.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from planner.errors import BadInput
from planner.facts import DataFacts, HardwareFacts, ModelFacts
from planner.interview.finding import Found, ToFind
from planner.interview.questions.stage import TAUGHT_BY
from planner.language import join, say
from planner.model_names import Weights
from planner.phrases import count, machine, parameters, plural

Progress = Callable[[float, float, str, str], None]
Report = Callable[[str], None]

DEV_FRACTION = 0.05
"""Share of rows that is held out when the data has no dev file."""


def silent(sentence: str) -> None:
    """Report nothing."""


def unmeasured(done: float, total: float, unit: str, message: str) -> None:
    """Tell no progress."""


def find(
    sought: ToFind,
    *,
    where: Path,
    folder: Path,
    stage: str = "sft",
    dev_fraction: float = DEV_FRACTION,
    seed: int = 42,
    report: Report = silent,
    progress: Progress = unmeasured,
) -> Found:
    """Return what an interview misses, with a sentence about it; raises `BadInput` for what cannot be used.

    `where` is the folder for runs; paths are meant from `folder`.
    """
    if sought.what == "hardware":
        hardware, failures = look(sought.text, where)
        found = say("I found {machine}.", machine=machine(hardware))
        other = say("If you train elsewhere, name that machine at any question: `two 4090s`.")
        return Found(hardware, join((found, *failures, "" if hardware.devices else other)))
    assert sought.text is not None
    if sought.what == "model":
        report(say("Looking for the model {name}.", name=sought.text))
        model = find_model(local(sought.text, folder), prefer=preferred_weights(stage), report=report)
        return Found(model, model_sentence(model))
    report(say("Reading {name}.", name=sought.text))
    data = find_data(
        local(sought.text, folder),
        sought.model,
        dev_fraction=dev_fraction,
        seed=seed,
        report=report,
        progress=progress,
    )
    return Found(data, data_sentence(data))


def find_hardware(text: str | None, where: Path, *, report: Report = silent) -> HardwareFacts:
    """Return the described hardware, or this machine's; `where` is the folder in which runs will be written.

    What could not be found out is reported. Raises `BadInput` for a description that means nothing.
    """
    hardware, failures = look(text, where)
    for failure in failures:
        report(failure)
    return hardware


def look(text: str | None, where: Path) -> tuple[HardwareFacts, tuple[str, ...]]:
    """Return hardware and what could not be found out about it."""
    if text is not None:
        from planner.hardware_text import parse

        return parse(text), ()
    from runtime.probe import probe

    return probe(where)


def find_model(name: str, *, prefer: Weights = "chat", report: Report = silent) -> ModelFacts:
    """Return the facts of a named model, a hub's one pinned to a commit; its weights are not fetched.

    `prefer` settles which weights a name that leaves it open means. Raises `BadInput`.
    """
    from runtime.acquire.resolve import resolve_model

    return pinned(resolve_model(name, report, prefer), report)


def find_data(
    name: str,
    model: ModelFacts | None,
    *,
    stage: str | None = None,
    dev_fraction: float = DEV_FRACTION,
    seed: int = 42,
    report: Report = silent,
    progress: Progress = unmeasured,
) -> DataFacts:
    """Return the facts of a named file, folder or bundled set: every row is read.

    `stage` is what they are for; None: whatever they are made for. Tokens are counted by the tokenizer of
    `model`, which is fetched if need be; without one they are estimated. Raises `BadInput` for data that
    cannot be read or has no usable row.
    """
    from runtime.acquire.tokenizer import tokenizer_folder
    from runtime.data.bundled import resolve_data
    from runtime.data.scan import scan
    from runtime.find_other_data import other_layout, read_other

    path = resolve_data(name)  # a wrong path is said at once, and not after a download
    layout = other_layout(path)
    folder = tokenizer_folder(model, report, progress) if model is not None else None
    if layout is not None and (stage is None or layout in TAUGHT_BY.get(stage, (layout,))):
        return read_other(name, layout, folder, dev_fraction=dev_fraction, progress=progress)
    return scan(
        name, folder, seed=seed, dev_fraction=dev_fraction, progress=progress, stage=stage or "sft"
    ).facts


def pinned(model: ModelFacts, report: Report) -> ModelFacts:
    """Return the facts with a hub model's revision pinned to a commit, so that a rerun gets the same files.

    The catalogue names no commits. Where the hub cannot be reached, or wants a login that only the run will
    have, the plan stays unpinned, which is said.
    """
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


def preferred_weights(stage: str) -> Weights:
    """Return which weights a name that leaves it open means: base ones for pretraining, else those that
    chat."""
    return "base" if stage == "pretrain" else "chat"


def local(text: str, folder: Path) -> str:
    """Return a path as it is meant from `folder`; anything else as it is."""
    path = Path(text).expanduser()
    if path.is_absolute() or folder.resolve() == Path.cwd():
        return text
    try:
        return str((folder / path).resolve()) if (folder / path).exists() else text
    except (OSError, ValueError):  # a name that no file can have
        return text


def model_sentence(model: ModelFacts) -> str:
    """Return what was found of a model."""
    return say(
        "I found {name}: {parameters} weights, {model_type}, texts of up to {context} tokens.",
        name=model.name,
        parameters=parameters(model.parameters),
        model_type=model.model_type,
        context=count(model.max_position_embeddings),
    )


def data_sentence(data: DataFacts) -> str:
    """Return what was found in data."""
    unusable = say(" {rows} cannot be used.", rows=plural(data.unusable_rows, "row"))
    return say(
        "I found {rows} to train on and {held_out} to check with, {mean:.0f} tokens on average, the longest "
        "{longest}{estimated}.{unusable}",
        rows=plural(data.train_rows, "row"),
        held_out=count(data.dev_rows),
        mean=data.lengths.mean,
        longest=count(data.lengths.max),
        estimated="" if data.lengths.counted else say(" (estimated)"),
        unusable=unusable if data.unusable_rows else "",
    )
