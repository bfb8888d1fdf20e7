"""Quantise the result of a run: what the worker is asked, upstream's config for the same, and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from planner.errors import BadInput
from planner.language import say
from planner.plan import Decision, Plan
from planner.render import train_config
from runtime.engines.extras import find_extra
from runtime.paths import write_atomically
from runtime.prediction.place import find_place
from runtime.results import answering_plan, result_folder
from runtime.run.layout import RunFolder
from runtime.run.status import read_status
from runtime.stages.report_quantised import METHODS, accuracy_file, folder_of


class Job(NamedTuple):
    """What is to be done."""

    config: Path
    spec: dict[str, Any]
    python: Path


def quantisation_plan(plan: Plan, method: str) -> Plan:
    """Return the plan of a training as one of stage quantise, from which upstream's config is rendered."""
    asked = Decision(
        value=method, because=say("You named it."), rule="pin", source=say("the person's own choice")
    )
    wishes = plan.wishes.model_copy(update={"stage": "quantise"})
    return plan.model_copy(update={"wishes": wishes, "decisions": {**plan.decisions, "quantise": asked}})


def prepare(run: RunFolder, method: str, rows: int, max_loss: float | None = None) -> Job:
    """Write quantization.json into the run's folder `quantise` and return the job; BadInput if it cannot.

    `max_loss` is the largest rise of the loss with which the quantised model is kept.
    """
    plan, place = answering_plan(run), find_place(run, "tuned")
    if plan.wishes.stage != "sft" or plan.value("engine") != "paddlenlp":
        raise BadInput(
            say(
                "{run} is no supervised fine-tune with PaddleNLP, and only those are quantised.", run=run.name
            )
        )
    data = result_folder(run, read_status(run), "prepare", "data")
    folder = folder_of(run)
    config = train_config(
        quantisation_plan(plan, method),
        model=f"{place.model}-paddle",
        data=str(data),
        output_dir=str(folder / f"upstream-{method}"),
    )
    write_atomically(folder / "quantization.json", config)
    spec = {
        "base": str(place.base),
        "model": str(place.model),
        "data": str(data),
        "method": method,
        "rows": rows,
        "src_length": plan.value("src_length"),
        "max_length": plan.value("max_length"),
        "paddleslim": str(find_extra(place.python, "paddleslim")),
        "destination": str(folder / method),
        "accuracy": str(accuracy_file(run, method)),
        "max_loss": max_loss,
    }
    return Job(folder / "quantization.json", spec, place.python)


def before_and_after(figures: dict[str, Any]) -> str:
    """Return what was measured, in one sentence."""
    return say(
        "{method}: loss on {rows} held-out rows {before:.4f} → {after:.4f}, perplexity {was:.2f} → "
        "{now:.2f}, right tokens {right:.1%} → {still:.1%}, and {same:.1%} of the likeliest tokens stay "
        "the same.",
        method=METHODS[figures["method"]],
        rows=figures["rows"],
        before=figures["loss_before"],
        after=figures["loss_after"],
        was=figures["perplexity_before"],
        now=figures["perplexity_after"],
        right=figures["accuracy_before"],
        still=figures["accuracy_after"],
        same=figures["same_best_token"],
    )
