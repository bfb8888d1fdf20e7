"""Measurements of this machine, kept as JSON lines in the data folder, and what they make of the next
forecast."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

from pydantic import ValidationError

from planner.calibration import LEAST_STEPS, Measurement, calibrate, device_name, fingerprint
from planner.facts import Calibration, Facts
from planner.plan import Plan
from planner.planfile import loads
from runtime.paths import home
from runtime.run import journal
from runtime.run.layout import RunFolder
from runtime.run.view import StageView, fold

SETTINGS = (
    "num_processes",
    "omp_num_threads",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_length",
    "recompute",
    "recompute_granularity",
    "tensor_parallel_degree",
    "pipeline_parallel_degree",
    "sharding",
    "sharding_parallel_degree",
    "use_flash_attention",
    "weight_quantize_algo",
    "lora_rank",
)
"""Settings that a measurement keeps beside its figures."""


def measurements_file() -> Path:
    """Return the file of this machine's measurements; it may not exist."""
    return home() / "measurements.jsonl"


def load() -> list[Measurement]:
    """Return all measurements, oldest first. A damaged or foreign line is passed over."""
    try:
        lines = measurements_file().read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(Measurement.model_validate_json(line))
        except ValidationError:
            continue
    return found


def store(measurement: Measurement) -> None:
    """Append one measurement, unless it is there already. OSError if the data folder cannot be written.

    One write of one line to a file opened for appending: two runs that end together lose nothing, and a line
    that was cut by a crash spoils only itself.
    """
    if measurement in load():
        return
    path = measurements_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        whole = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
        os.write(descriptor, (("" if whole else "\n") + measurement.model_dump_json() + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def calibration_for(facts: Facts) -> Calibration | None:
    """Return what earlier measurements on this machine say about the forecast; None on typed hardware."""
    return calibrate(load(), facts)


def record(run: RunFolder) -> Measurement | None:
    """Store what a run's training measured; None if there is nothing to learn from it."""
    plan = loads(run.plan.read_text(encoding="utf-8"), str(run.plan))
    train = fold(journal.read(run.journal), plan.stages).stage("train")
    measurement = of_training(plan, run.name, train)
    if measurement is not None:
        store(measurement)
    return measurement


def of_training(plan: Plan, name: str, train: StageView) -> Measurement | None:
    """Return what a proven train stage measured, beside the plan's forecast; None if it measured nothing."""
    figures = train.figures
    if not train.proven or plan.facts.hardware.origin != "probed":
        return None
    peak = int(figures.get("peak_memory_bytes") or 0)
    steady = int(figures.get("steps") or 0) >= LEAST_STEPS
    speed = float(figures.get("tokens_per_second") or 0.0) if steady else 0.0
    if not peak and not speed:
        return None
    _, forecast_speed = plain_forecast(plan)
    measurement = beside_forecast(plan, name, "run", train.ended, peak)
    return measurement.model_copy(
        update={
            "tokens_per_second": round(speed, 3) or None,
            "forecast_tokens_per_second": forecast_speed if speed else None,
        }
    )


def plain_forecast(plan: Plan) -> tuple[int, float]:
    """Return peak bytes and tokens per second as the plan would forecast them without any correction."""
    forecast = plan.forecast
    peak = forecast.peak_memory_bytes / forecast.memory_ratio
    return round(peak), round(forecast.tokens_per_second / forecast.speed_ratio, 3)


def beside_forecast(plan: Plan, name: str, kind: str, when: float, peak: int) -> Measurement:
    """Return a measurement of the peak of one process, with everything that tells what it is of."""
    hardware = plan.facts.hardware
    forecast_peak, _ = plain_forecast(plan)
    return Measurement(
        machine=fingerprint(hardware),
        device=device_name(hardware),
        kind="trial" if kind == "trial" else "run",
        name=name,
        when=datetime.fromtimestamp(when, timezone.utc).isoformat(timespec="seconds"),
        engine=str(plan.value("engine")),
        engine_build=str(plan.value("engine_build")),
        stage=str(plan.wishes.stage),
        method=str(plan.value("method")),
        precision=str(plan.value("precision")),
        model=plan.facts.model.name,
        parameters=plan.facts.model.parameters,
        setup={name: plan.decisions[name].value for name in SETTINGS if name in plan.decisions},
        peak_bytes=peak or None,
        forecast_peak_bytes=forecast_peak if peak else None,
    )
