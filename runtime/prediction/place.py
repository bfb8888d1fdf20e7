"""Which model of a run is to answer, and what its worker needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from planner.errors import BadInput
from planner.language import say
from planner.render import worker_environment
from runtime.engines.registry import python_of
from runtime.results import answering_plan, result_folder
from runtime.run.layout import RunFolder
from runtime.run.status import read_status

Which = Literal["tuned", "adapter", "static", "base"]

OUTPUTS: dict[Which, tuple[str, str]] = {
    "tuned": ("merge", "model"),
    "adapter": ("train", "adapter"),
    "static": ("export", "static"),
    "base": ("convert", "model"),
}
"""Which model -> the stage and output where it lies."""


@dataclass(frozen=True)
class Place:
    """Where models, engine and worker files lie."""

    run: RunFolder
    which: Which
    base: Path
    """The base model in PaddleNLP's format, with the tokenizer."""
    model: Path
    python: Path
    """The engine's interpreter."""
    environment: Mapping[str, str]
    """Variables that the plan decides for engine processes."""


def own_export(run: RunFolder) -> Path:
    """Return where `steersman export` leaves the static graph of a run whose plan asks for none."""
    return run.root / "export" / "static"


def find_place(run: RunFolder, which: Which) -> Place:
    """Return where a run's model lies. BadInput when it is not proven, or gone."""
    plan, status = answering_plan(run), read_status(run)
    base = result_folder(run, status, "convert")
    stage, output = OUTPUTS[which]
    if which == "static" and not status.view.stage(stage).proven:
        model = own_export(run)
        if not model.is_dir():
            raise BadInput(
                say("{run} has no static graph yet.", run=run.name),
                remedy=say("Make one: {command}", command=f"steersman export {run.reference}"),
            )
    else:
        model = result_folder(run, status, stage, output)
    python = python_of(str(plan.value("engine")), str(plan.value("engine_build")))
    return Place(run, which, base, model, python, worker_environment(plan, alone=True))
