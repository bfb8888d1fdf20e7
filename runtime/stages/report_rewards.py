"""What a report says of preference training: margins and accuracies on rows that were not trained on."""

from __future__ import annotations

from typing import Any

from planner.language import say
from runtime.run.view import RunView
from runtime.stages.report_curves import Curve

MARGIN, ACCURACY = "rewards/margins", "rewards/accuracies"
REWARD_CURVES = (MARGIN, f"eval_{MARGIN}", ACCURACY, f"eval_{ACCURACY}")
"""Figures of preference training whose course is kept in a report."""


def rewards(view: RunView) -> dict[str, float]:
    """Return margin and accuracy on held-out rows, first and last; nothing for other training."""
    metrics = view.stage("train").metrics
    found: dict[str, float] = {}
    for short, name in (("margin", MARGIN), ("accuracy", ACCURACY)):
        values = [metric.values[f"eval_{name}"] for metric in metrics if f"eval_{name}" in metric.values]
        if values:
            found |= {f"{short}_first": values[0], f"{short}_last": values[-1]}
    return found


def sentence(found: dict[str, float]) -> str:
    """Return what became of the margin, and how many pairs are told apart; empty without rewards."""
    if "margin_last" not in found:
        return ""
    margins = say(
        "On rows that were not trained on, better answers got {last:+.2f} more reward than worse ones, after "
        "{first:+.2f} before training.",
        first=found["margin_first"],
        last=found["margin_last"],
    )
    if "accuracy_last" not in found:
        return margins
    return f"{margins} " + say("{share:.0%} of the pairs are told apart.", share=found["accuracy_last"])


def tiles(found: dict[str, float]) -> list[tuple[str, str, str]]:
    """Return (name, value, what it was before) for the head of the page."""
    shown = []
    if "margin_last" in found:
        before = say("{value} at first", value=f"{found['margin_first']:.2f}")
        shown.append((say("reward margin on held-out rows"), f"{found['margin_last']:.2f}", before))
    if "accuracy_last" in found:
        before = say("{value} at first", value=f"{found['accuracy_first']:.0%}")
        shown.append((say("held-out pairs told apart"), f"{found['accuracy_last']:.0%}", before))
    return shown


def figures(curves: dict[str, Any]) -> list[tuple[str, list[Curve], int]]:
    """Return the charts: title, curves, height."""
    titles = ((say("Reward margin"), MARGIN), (say("Share of pairs told apart"), ACCURACY))
    found = []
    for title, name in titles:
        lines = [
            Curve(say("training"), curves.get(name, ())),
            Curve(say("held-out rows"), curves.get(f"eval_{name}", ()), "points"),
        ]
        found.append((title, [line for line in lines if line.points], 180))
    return found
