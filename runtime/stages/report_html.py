"""The report as one HTML page: opens offline, asks nothing of anybody, light and dark as its reader likes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from planner.language import say, template
from planner.phrases import size
from runtime.run.durations import span
from runtime.stages.report_curves import Curve, chart
from runtime.stages.report_looks import figures as look_figures
from runtime.stages.report_page import figures, introduction, quantity
from runtime.stages.report_quantised import quantised_head, quantised_rows
from runtime.stages.report_rewards import figures as reward_figures
from runtime.stages.report_rewards import tiles as reward_tiles

TEMPLATE = Path(__file__).resolve().parent / "report.html.j2"
WORDS = (
    template("Course of the training"),
    template("The loss was no number at these steps: {steps}"),
    template("The mark on each bar stands at 1: exactly as planned."),
    template("≠ stands where plan and measurement differ by more than a quarter."),
    template("base model"),
    template("tuned model"),
    template("Quantised"),
    template("Before the arrow the model as it is, after it the quantised one, on rows not trained on."),
    template("A click on a command or path selects the whole of it."),
    template("Written by Steersman from the journal of the run. This page needs no network."),
)
"""Sentences that only the page says, named here because the catalogue is collected from Python."""

WIDEST_RATIO = 2.5
"""Measured / planned at the right end of a ratio's bar; beyond it the bar is full."""

ONE = round(100 / WIDEST_RATIO, 1)
"""Where a bar of ratio 1 ends, in percent; a mark stands there."""

OFF_RATIO = 1.25
"""Beyond this factor, either way, a forecast is marked as off."""


def document(report: dict[str, Any]) -> str:
    """Return report.html for the content of report.json, in the language of the moment.

    Everything that comes from a model, a path or a person is escaped by the template.
    """
    return sheet().render(
        report=report,
        introduction=introduction(report),
        tiles=tiles(report),
        charts=charts(report),
        comparisons=[comparison(row) for row in report["comparisons"]],
        quantised=(quantised_head(), quantised_rows(report["quantised"]))
        if report.get("quantised")
        else None,
        proofs=[{**proof, "figures": figures(proof["measured"])} for proof in report["proofs"]],
        one=ONE,
        say=say,
    )


@cache
def sheet() -> jinja2.Template:
    """Return the page's template, which escapes what it is given."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def tiles(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the few figures that a reader wants first: (name, value, what it was before or planned)."""
    loss, train = report["loss"], report["figures"].get("train", {})
    found = []
    if "eval_last" in loss:
        before = at_first(loss.get("eval_first"))
        found.append((say("loss on held-out rows"), f"{loss['eval_last']:.3f}", before))
    if "last" in loss:
        before = at_first(loss["first"])
        found.append((say("training loss"), f"{loss['last']:.3f}", before))
    found += reward_tiles(report.get("rewards", {}))
    if train.get("peak_memory_bytes"):
        memory = next((row for row in report["comparisons"] if row["unit"] == "bytes"), None)
        planned = say("{value} planned", value=size(memory["planned"])) if memory else ""
        found.append((say("peak memory"), size(float(train["peak_memory_bytes"])), planned))
    if train.get("train_seconds"):
        spent = span(float(train["train_seconds"]))
        found.append((say("training time"), spent, say("{steps} steps", steps=train.get("steps", "?"))))
    return found


def at_first(value: float | None) -> str:
    """Return what a loss was at first."""
    return "" if value is None else say("{value} at first", value=f"{value:.3f}")


def charts(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the figures that there are points for: title, legend, SVG."""
    curves = report.get("curves", {})
    step = say("step")
    loss = [Curve(say("training loss"), curves.get("loss", ()))]
    loss.append(Curve(say("loss on held-out rows"), curves.get("eval_loss", ()), "points"))
    figures = [
        (say("Loss"), [curve for curve in loss if curve.points], 260),
        *reward_figures(curves),
        *look_figures(curves),
        (say("Learning rate"), [Curve(say("Learning rate"), curves.get("learning_rate", ()))], 150),
        (
            say("Tokens per second"),
            [Curve(say("Tokens per second"), curves.get("tokens_per_second", ()))],
            150,
        ),
    ]
    found = []
    for title, lines, height in figures:
        if svg := chart(lines, title=title, x_name=step, height=height):
            found.append({"title": title, "svg": Markup(svg), "curves": lines if len(lines) > 1 else []})
    return found


def comparison(row: dict[str, Any]) -> dict[str, Any]:
    """Return one line of forecast beside measurement, with the length of its bar in percent."""
    ratio = row["ratio"]
    return {
        "what": row["what"],
        "planned": quantity(row["planned"], row["unit"]) if row["planned"] else "–",
        "measured": quantity(row["measured"], row["unit"]),
        "ratio": "–" if ratio is None else f"{ratio:.2f}",
        "bar": None if ratio is None else round(min(ratio, WIDEST_RATIO) / WIDEST_RATIO * 100, 1),
        "off": ratio is not None and not 1 / OFF_RATIO <= ratio <= OFF_RATIO,
    }
