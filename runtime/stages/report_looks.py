"""What a report says of looks at held-out rows: how the answers scored, and whether training ended early."""

from __future__ import annotations

from typing import Any

from planner.language import say
from planner.plan import Plan
from runtime.run.view import RunView
from runtime.stages.report_curves import Curve

SCORES = {
    "eval_bleu4": "BLEU-4",
    "eval_rouge1": "ROUGE-1",
    "eval_rouge2": "ROUGE-2",
    "eval_rougeL": "ROUGE-L",
}
"""Figures of evaluation by generation -> their names."""


def figures(curves: dict[str, Any]) -> list[tuple[str, list[Curve], int]]:
    """Return the chart of the scores: title, curves, height; no curves where nothing was answered."""
    lines = [Curve(title, curves.get(name, ()), "points") for name, title in SCORES.items()]
    return [(say("Answers to held-out rows"), [line for line in lines if line.points], 180)]


def early_end(plan: Plan, view: RunView) -> str:
    """Say that training ended before its planned steps because nothing got better; empty when it did not."""
    patience = int(str(plan.value("early_stopping_patience")))
    planned = int(str(plan.value("max_steps")))
    done = view.stage("train").figures.get("steps")
    if not patience or not done or done >= planned:
        return ""
    return say(
        "Training ended at step {step} of {planned}: in {looks} looks the loss on held-out rows had not "
        "fallen.",
        step=int(done),
        planned=planned,
        looks=patience,
    )
