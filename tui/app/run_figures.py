"""The figures of a run as rows: a label, a value, and a share where there is a whole."""

from __future__ import annotations

import math
from itertools import islice
from typing import NamedTuple

from planner.language import say
from planner.phrases import count, size
from runtime.run.utilisation import Utilisation
from runtime.run.view import RunView, StageView
from runtime.stages.report_page import quantity
from tui.estimate import Expected
from tui.learning_figures import learning

MOST_DEVICES = 8
LOOK_BACK = 1000
FAR_OVER_FORECAST, NEARLY_FULL = 1.1, 0.9


class Row(NamedTuple):
    """One line of figures."""

    label: str
    value: str
    share: float | None = None
    """Of a whole, from 0."""
    warns_at: float = math.inf
    """Share from which it deserves attention."""


def trained_stage(view: RunView) -> StageView | None:
    """Return the stage whose figures count: the last one that has any."""
    return next((stage for stage in reversed(view.stages.values()) if stage.metrics), None)


def latest(stage: StageView) -> dict[str, float]:
    """Return the newest value of every figure, looking back as far as the last evaluation may be."""
    values: dict[str, float] = {}
    for metric in islice(reversed(stage.metrics), LOOK_BACK):
        values = {**metric.values, **values}
    return values


def training_rows(view: RunView, forecast: Expected) -> list[Row]:
    """Return loss, learning rate, speed and memory; what is not known yet is left out."""
    stage = trained_stage(view)
    if stage is None:
        return []
    values = latest(stage)
    rows = []
    if "loss" in values:
        rows.append(Row(say("Loss"), number(values["loss"])))
    if "eval_loss" in values:
        rows.append(Row(say("Dev loss"), number(values["eval_loss"])))
    rows += [Row(capital(one.label), one.text()) for one in learning(values, forecast.stage)]
    if "learning_rate" in values:
        rows.append(Row(say("Learning rate"), f"{values['learning_rate']:.2e}"))
    if "tokens_per_second" in values:
        speed = count(values["tokens_per_second"])
        rows.append(Row(say("Speed"), say("{count} tokens/s", count=speed)))
    if "step_seconds" in values:
        rows.append(Row(say("One step"), quantity(values["step_seconds"], "seconds")))
    if "peak_memory_bytes" in values:
        rows.append(memory_row(values["peak_memory_bytes"], forecast.peak_memory_bytes))
    return rows


def capital(label: str) -> str:
    """Return a label as the first word of a row."""
    return label[:1].upper() + label[1:]


def memory_row(measured: float, forecast: int) -> Row:
    """Return the highest memory so far beside the forecast."""
    if not forecast:
        return Row(say("Peak memory"), size(measured))
    value = part_of(measured, forecast)
    return Row(say("Peak memory"), value, measured / forecast, FAR_OVER_FORECAST)


def machine_rows(use: Utilisation | None) -> list[Row]:
    """Return what the running stage uses of this machine."""
    if use is None:
        return []
    share = use.cpus_used / use.cpus
    rows = [
        Row(say("CPU"), say("{percent} of {cores}", percent=f"{share:.0%}", cores=cores(use.cpus)), share),
        Row(
            say("RAM"),
            part_of(use.memory_bytes, use.memory_total_bytes),
            use.memory_bytes / use.memory_total_bytes,
            NEARLY_FULL,
        ),
    ]
    for device in use.devices[:MOST_DEVICES]:
        label = say("GPU {index}", index=device.index)
        held = part_of(device.used_bytes, device.total_bytes)
        rows.append(Row(label, f"{device.share:.0%} · {held}", device.share))
    if len(use.devices) > MOST_DEVICES:
        rows.append(Row("", say("and {count} more", count=len(use.devices) - MOST_DEVICES)))
    return rows


def part_of(part: float, whole: float) -> str:
    """Return `1.5 of 2.0 GiB`: a unit that both have is said once."""
    first, last = size(part), size(whole)
    number_of, _, unit = first.partition(" ")
    return say("{part} of {whole}", part=number_of if last.endswith(f" {unit}") else first, whole=last)


def cores(number_of: float) -> str:
    """Return `2 cores`, `1.5 cores`."""
    return say("{number} cores", number=f"{number_of:g}")


def number(value: float) -> str:
    """Return a loss: five digits; NaN and infinity as they are called."""
    return f"{value:.4f}" if math.isfinite(value) else str(value)
