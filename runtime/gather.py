"""Gather the facts for a plan: resolve the model, scan the data, probe the machine."""

from __future__ import annotations

from pathlib import Path

from planner.facts import DataFacts, Facts, HardwareFacts
from planner.language import say
from planner.phrases import machine, plural
from runtime.find_facts import (
    DEV_FRACTION,
    Progress,
    Report,
    find_data,
    find_hardware,
    find_model,
    pinned,
    preferred_weights,
    silent,
    unmeasured,
)

__all__ = ["gather", "machine_facts", "pinned", "preferred_weights"]


def gather(
    model: str,
    data: str,
    hardware: str | None,
    *,
    where: Path,
    dev_fraction: float = DEV_FRACTION,
    seed: int = 42,
    stage: str = "sft",
    report: Report = silent,
    progress: Progress = unmeasured,
) -> Facts:
    """Return the facts for a plan.

    `model` and `data` are names or paths, `hardware` is a description or None for this machine, `where` is
    the folder in which runs will be written; `stage` settles whether a name that leaves it open means chat or
    base weights. Reads every row of the data; fetches of the model what counting tokens needs. Raises
    `BadInput` in one sentence for whatever cannot be used.
    """
    from runtime.calibration import calibration_for
    from runtime.data.bundled import resolve_data

    resolve_data(data)  # a wrong path is said at once, and not after a download
    here = machine_facts(hardware, where)
    report(say("Machine: {machine}.", machine=machine(here)))
    model_facts = find_model(model, prefer=preferred_weights(stage), report=report)
    report(
        say(
            "Model: {model}, {number:,} weights ({model_type}).",
            model=model_facts.name,
            number=model_facts.parameters,
            model_type=model_facts.model_type,
        )
    )
    found = find_data(
        data,
        model_facts,
        stage=stage,
        dev_fraction=dev_fraction,
        seed=seed,
        report=report,
        progress=progress,
    )
    report(data_sentence(found))
    gathered = Facts(model=model_facts, data=found, hardware=here)
    return gathered.model_copy(update={"calibration": calibration_for(gathered)})


def machine_facts(hardware: str | None, where: Path) -> HardwareFacts:
    """Return the described hardware, or this machine's."""
    return find_hardware(hardware, where)


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
