"""Corrections of the forecast from what was measured on this machine.

A `Measurement` keeps what one finished run or trial measured beside what the plain forecast said, without any
correction that was applied at the time. `calibrate` turns the measurements that are like the next plan into
two factors.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from statistics import median
from typing import Literal

from pydantic import Field

from planner.facts import Calibration, Facts, HardwareFacts
from planner.language import say
from planner.phrases import count
from planner.schema import Record

LEAST, MOST = 0.5, 2.0
"""Limits of a correction: what is further off is a broken measurement or a broken forecast, not a machine's
habit."""

NEAREST = 5
"""Measurements that a correction rests on, at most: the newest of the nearest."""

SIZE_FACTOR = 8.0
"""A measurement of a model this many times larger or smaller says nothing about the next one."""

LEAST_STEPS = 3
"""Optimizer steps from which a measured speed counts: the first ones warm up."""


class Measurement(Record):
    """What one finished run or trial measured, beside the plain forecast."""

    machine: str = Field(description="`fingerprint` of the hardware.")
    device: str = Field(description="Name of the accelerator, or of the processor.")
    kind: Literal["run", "trial"] = "run"
    name: str = Field(description="Name of the run.")
    when: str = Field(description="When it was measured, ISO 8601 in UTC.")
    engine: str = ""
    engine_build: str = ""
    stage: str = Field("sft", description="Kind of training.")
    method: str = Field("", description="Setting `method`.")
    precision: str = ""
    model: str = ""
    parameters: int = Field(gt=0, description="Weights of the model.")
    setup: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict, description="Settings that memory and speed depend on, by name."
    )
    peak_bytes: int | None = Field(None, gt=0, description="Measured peak of one training process.")
    forecast_peak_bytes: int | None = Field(None, gt=0, description="Its plain forecast.")
    tokens_per_second: float | None = Field(
        None, gt=0, description="Measured, padding not counted, all processes."
    )
    forecast_tokens_per_second: float | None = Field(None, gt=0, description="Its plain forecast.")

    @property
    def memory_ratio(self) -> float | None:
        """Measured / forecast peak."""
        return _ratio(self.peak_bytes, self.forecast_peak_bytes)

    @property
    def speed_ratio(self) -> float | None:
        """Measured / forecast speed."""
        return _ratio(self.tokens_per_second, self.forecast_tokens_per_second)


def fingerprint(hardware: HardwareFacts) -> str:
    """Return a short name of this hardware that survives a restart, a full disk and a busy neighbour."""
    known = {
        "nodes": hardware.nodes,
        "cpu": [hardware.cpu.name, hardware.cpu.cores],
        "devices": [[device.name, device.count, device.memory_bytes] for device in hardware.devices],
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:12]


def device_name(hardware: HardwareFacts) -> str:
    """Return the name of what trains: the accelerator, or the processor."""
    return hardware.devices[0].name if hardware.devices else hardware.cpu.name


def calibrate(measurements: Iterable[Measurement], facts: Facts) -> Calibration | None:
    """Return the corrections for a plan with these facts; None if nothing like it was measured here.

    Typed hardware gets none: nobody knows what it measured.
    """
    if facts.hardware.origin != "probed":
        return None
    near = nearest(measurements, fingerprint(facts.hardware), facts.model.parameters)
    memory = [ratio for entry in near if (ratio := entry.memory_ratio) is not None]
    speed = [ratio for entry in near if (ratio := entry.speed_ratio) is not None]
    if not memory and not speed:
        return None
    return Calibration(
        memory_ratio=_robust(memory),
        speed_ratio=_robust(speed),
        runs=len(near),
        because=_because(near, memory, speed),
    )


def nearest(measurements: Iterable[Measurement], machine: str, parameters: int) -> list[Measurement]:
    """Return the measurements on this machine of models of about this size: nearest size first, newest first
    among equals, at most NEAREST. Repeated records of one run count once, the last."""
    here = (entry for entry in measurements if entry.machine == machine)
    latest = {(entry.kind, entry.name, entry.when): entry for entry in here}
    found = [entry for entry in latest.values() if _distance(entry, parameters) <= math.log(SIZE_FACTOR)]
    found.sort(key=lambda entry: entry.when, reverse=True)
    found.sort(key=lambda entry: round(_distance(entry, parameters), 1))
    return found[:NEAREST]


def _distance(entry: Measurement, parameters: int) -> float:
    """Return how far apart the sizes of two models are, as a logarithm."""
    return abs(math.log(entry.parameters / parameters))


def _ratio(measured: float | None, forecast: float | None) -> float | None:
    return measured / forecast if measured and forecast else None


def _robust(ratios: list[float]) -> float:
    """Return the median within the limits; 1.0 of nothing."""
    return round(min(MOST, max(LEAST, median(ratios))), 4) if ratios else 1.0


def _because(near: list[Measurement], memory: list[float], speed: list[float]) -> str:
    """Return the sentence that says which measurements correct what."""
    first = near[0]
    words = {
        "number": count(len(near)),
        "name": first.name,
        "model": first.model,
        "method": first.method,
        "day": first.when[:10],
    }
    if first.kind == "trial":
        which = say(
            "Corrected by measurements on this machine ({number}), the nearest a trial of {name} "
            "({model}, {method}, {day}).",
            **words,
        )
    else:
        which = say(
            "Corrected by measurements on this machine ({number}), the nearest from {name} "
            "({model}, {method}, {day}).",
            **words,
        )
    parts = [which]
    if memory:
        parts.append(say("Memory was {ratio:.2f} times the forecast.", ratio=median(memory)))
    if speed:
        parts.append(say("Speed was {ratio:.2f} times the forecast.", ratio=median(speed)))
    cut = [applied for ratios in (memory, speed) if ratios and (applied := _robust(ratios)) in (LEAST, MOST)]
    if cut:
        parts.append(
            say("No more than {limit:.2f} is applied: no machine is further off for good.", limit=cut[0])
        )
    return " ".join(parts)
