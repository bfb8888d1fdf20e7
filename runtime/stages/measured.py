"""Forecast beside measurement, from a plan and the journal of its run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from planner.language import say, template
from planner.plan import Plan
from runtime.run.layout import RunFolder
from runtime.run.next_steps import output_path
from runtime.run.view import RunView

STAGE_NAMES = {
    "acquire": template("acquire"),
    "convert": template("convert"),
    "prepare": template("prepare"),
    "preflight": template("preflight"),
    "train": template("train"),
    "merge": template("merge"),
    "generate": template("generate"),
    "export": template("export"),
    "report": template("report"),
}
"""What the stages of a plan are called."""


@dataclass(frozen=True)
class Comparison:
    """One figure, as forecast and as measured."""

    what: str
    unit: str
    """bytes, seconds, tokens/s."""
    planned: float
    measured: float

    @property
    def ratio(self) -> float | None:
        """Measured / planned."""
        return self.measured / self.planned if self.planned else None

    def as_dict(self) -> dict[str, Any]:
        """Return it for report.json."""
        ratio = None if self.ratio is None else round(self.ratio, 3)
        return {**asdict(self), "ratio": ratio}


def comparisons(plan: Plan, view: RunView) -> list[Comparison]:
    """Return memory, speed and time, each as planned and as measured; only what was measured."""
    forecast, train = plan.forecast, view.stage("train")
    figures = train.figures
    found = []
    if figures.get("peak_memory_bytes"):
        peak = float(figures["peak_memory_bytes"])
        found.append(
            Comparison(say("Peak memory of one training process"), "bytes", forecast.peak_memory_bytes, peak)
        )
    if figures.get("tokens_per_second"):
        speed = float(figures["tokens_per_second"])
        found.append(Comparison(say("Training speed"), "tokens/s", forecast.tokens_per_second, speed))
    if figures.get("train_seconds") and figures.get("steps"):
        step = float(figures["train_seconds"]) / float(figures["steps"])
        found.append(Comparison(say("One training step"), "seconds", forecast.step_seconds, step))
    for name, stage in view.stages.items():
        if stage.seconds:
            planned = float(forecast.stage_seconds.get(name, 0.0))
            found.append(
                Comparison(
                    say("Stage {name}", name=say(STAGE_NAMES.get(name, name))),
                    "seconds",
                    planned,
                    stage.seconds,
                )
            )
    return found


def losses(view: RunView) -> dict[str, float]:
    """Return the first and last logged training loss and the last evaluation loss."""
    metrics = view.stage("train").metrics
    train = [metric.values["loss"] for metric in metrics if "loss" in metric.values]
    evaluated = [metric.values["eval_loss"] for metric in metrics if "eval_loss" in metric.values]
    found: dict[str, float] = {}
    if train:
        found |= {"first": train[0], "last": train[-1]}
    if evaluated:
        found |= {"eval_first": evaluated[0], "eval_last": evaluated[-1]}
    return found


def samples(run: RunFolder, view: RunView) -> list[dict[str, Any]]:
    """Return the prompts with the answers of base and tuned model."""
    path = output_path(run, view, "generate", "samples")
    try:
        loaded = json.loads(Path(path).read_text(encoding="utf-8")) if path else []
    except (OSError, ValueError):
        return []
    return [sample for sample in loaded if isinstance(sample, dict)]


def question(sample: dict[str, Any]) -> str:
    """Return the last question of a sample's prompt."""
    prompt = sample.get("prompt", "")
    return str(prompt[-1]["content"]) if isinstance(prompt, list) and prompt else str(prompt)
