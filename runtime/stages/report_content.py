"""What a report says, as plain values in the language of the moment: for the files and for the screen."""

from __future__ import annotations

import math
from typing import Any

from planner.language import current, say, template
from planner.phrases import count, machine
from planner.phrases import parameters as weights
from planner.plan import Plan
from runtime.run.layout import RunFolder
from runtime.run.next_steps import next_steps, output_path
from runtime.run.view import RunView
from runtime.stages.handing_over import commands
from runtime.stages.measured import comparisons, losses, question, samples
from runtime.stages.more_commands import more_commands, quantised_commands
from runtime.stages.report_looks import SCORES, early_end
from runtime.stages.report_quantised import quantised
from runtime.stages.report_rewards import REWARD_CURVES, rewards

OUTPUT_NAMES = {
    ("merge", "model"): template("Tuned model (Hugging Face folder)"),
    ("train", "adapter"): template("Adapter"),
    ("train", "model"): template("Trained weights"),
    ("export", "static"): template("Static graph for Paddle inference"),
    ("generate", "samples"): template("Answers before and after"),
    ("prepare", "data"): template("Prepared data"),
    ("convert", "model"): template("Base model in PaddleNLP's format"),
    ("acquire", "model"): template("Base model"),
}
CURVES = ("loss", "eval_loss", "learning_rate", "tokens_per_second", *REWARD_CURVES, *SCORES)
"""Figures of the training whose course is kept in a report."""

METHOD_NAMES = {"lora": "LoRA", "qlora": "QLoRA", "vera": "VeRA", "lokr": "LoKr", "reft": "ReFT"}
"""Methods as their papers write them."""

MOST_POINTS = 2000
"""Points of one curve in a report; more of them no page can show."""


def content(run: RunFolder, plan: Plan, view: RunView) -> dict[str, Any]:
    """Return the report of a run, as far as the run has come."""
    files = {
        say(name): path
        for (stage, key), name in OUTPUT_NAMES.items()
        if (path := output_path(run, view, stage, key))
    }
    places = {say("Run folder"): str(run.root), say("Plan"): str(run.plan), say("Journal"): str(run.journal)}
    for number, earlier in enumerate(run.earlier_plans(), 1):  # a smaller one took its place, out of memory
        places[say("Plan {number}, executed before", number=number)] = str(earlier)
    model = output_path(run, view, "merge", "model")
    return {
        "name": run.name,
        "language": current(),
        "summary": " ".join(filter(None, (summary(plan), early_end(plan, view)))),
        "comparisons": [comparison.as_dict() for comparison in comparisons(plan, view)],
        "loss": losses(view),
        "rewards": rewards(view),
        "curves": curves(view),
        "broken_steps": broken_steps(view),
        "figures": {name: stage.figures for name, stage in view.stages.items() if stage.figures},
        "proofs": [
            {"stage": stage.name, "name": proof.name, "passed": proof.passed, "sentence": proof.sentence}
            | {"measured": dict(proof.measured)}
            for stage in view.stages.values()
            for proof in stage.proofs.values()
        ],
        "samples": [
            {"question": question(sample), "base": sample.get("base", ""), "tuned": sample.get("tuned", "")}
            for sample in samples(run, view)
        ],
        "quantised": quantised(run),
        "files": {**files, **places},
        "next": [
            *next_steps(run, view),
            *more_commands(run, plan, view),
            *quantised_commands(quantised(run)),
            *(commands(plan, model) if model else []),
        ],
    }


def curves(view: RunView) -> dict[str, list[tuple[int, float]]]:
    """Return name -> [(step, value)] of the training, finite values only.

    Long ones keep every n-th point and the last.
    """
    metrics = view.stage("train").metrics
    found = {}
    for name in CURVES:
        points = [
            (metric.step, metric.values[name])
            for metric in metrics
            if math.isfinite(metric.values.get(name, math.nan))
        ]
        stride = -(-len(points) // MOST_POINTS) or 1
        thinned = points[::stride]
        if points:
            found[name] = thinned if thinned[-1] == points[-1] else [*thinned, points[-1]]
    return found


def broken_steps(view: RunView) -> list[int]:
    """Return the steps whose loss was no number."""
    metrics = view.stage("train").metrics
    return [metric.step for metric in metrics if not math.isfinite(metric.values.get("loss", 0.0))]


def summary(plan: Plan) -> str:
    """Return what was done, in one sentence."""
    data = plan.facts.data
    words = {
        "model": plan.facts.model.name,
        "parameters": weights(plan.facts.model.parameters),
        "rows": count(data.train_rows),
        "data": data.path,
        "steps": count(int(str(plan.value("max_steps")))),
        "machine": machine(plan.facts.hardware),
    }
    if plan.value("method") == "full":
        return say(
            "Trained all weights of {model} ({parameters} parameters) on {rows} rows of {data}, "
            "{steps} steps, on {machine}.",
            **words,
        )
    return say(
        "Trained an adapter ({method}) of {model} ({parameters} parameters) on {rows} rows of {data}, "
        "{steps} steps, on {machine}.",
        method=METHOD_NAMES.get(str(plan.value("method")), plan.value("method")),
        **words,
    )
