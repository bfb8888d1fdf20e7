"""Find the adapter that is meant, and write it for another library."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from planner.errors import BadInput
from planner.language import say
from planner.planfile import loads
from runtime.acquire.torch_folder import refusals_in_words
from runtime.one_worker import check_destination
from runtime.run.layout import find_run
from runtime.run.next_steps import output_path
from runtime.run.status import read_status
from runtime.workers.adapter_files import CONFIGS
from runtime.workers.peft_export import Exported, export_peft


class Trained(NamedTuple):
    """An adapter and what it belongs to."""

    adapter: Path
    base: Path | None
    """Hugging Face folder of the base model; None for a bare adapter folder."""
    name: str
    """Name of the base model."""
    run: Path | None


def is_adapter(folder: Path) -> bool:
    """Return whether a folder holds an adapter of PaddleNLP's."""
    return any((folder / name).is_file() for name in CONFIGS)


def find_adapter(text: str) -> Trained:
    """Return what a run's name or folder, `latest`, or an adapter folder means; BadInput without one."""
    folder = Path(text).expanduser()
    if is_adapter(folder):
        return Trained(folder.resolve(), None, "", None)
    run = find_run(text)
    plan = loads(run.plan.read_text(encoding="utf-8"), str(run.plan))
    view = read_status(run).view
    if plan.value("method") == "full":
        raise BadInput(
            say("{run} trained the whole model, so it has no adapter.", run=run.name),
            remedy=say("Use its merged model."),
        )
    if not view.stage("train").proven:
        raise BadInput(
            say("{run} has no adapter: its stage train is not proven.", run=run.name),
            remedy=say("Continue it with `steersman resume {run}`.", run=run.name),
        )
    adapter = Path(output_path(run, view, "train", "adapter"))
    base = Path(output_path(run, view, "acquire", "model"))
    return Trained(adapter, base, plan.facts.model.source.id, run.root)


def export(text: str, out: Path | None, base_name: str | None) -> tuple[Exported, Path]:
    """Write the adapter that `text` means into a new folder and return the proof and the folder."""
    found = find_adapter(text)
    if out is None and found.run is None:
        raise BadInput(say("Say where to write the adapter: -o FOLDER."))
    folder = (out or found.run / "adapter-peft").expanduser().resolve()  # type: ignore[operator]
    check_destination(folder, found.adapter)
    partial = folder.with_name(f".partial-{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with refusals_in_words():
            exported = export_peft(found.adapter, partial, base_name or found.name)
        if folder.is_dir():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return exported, folder
