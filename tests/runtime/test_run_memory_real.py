"""A training that really runs out of memory, and goes on with a smaller plan where it was."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from planner.facts import Facts
from planner.planfile import dumps, loads
from planner.solve import make_plan
from planner.wishes import Value, Wishes
from runtime.acquire.resolve import resolve_model
from runtime.probe import probe_hardware
from runtime.run.layout import RunFolder, create_run
from runtime.run.status import read_status
from runtime.run.supervisor import Supervisor
from runtime.run.task import build_table
from tests.planner.scenes import data
from tests.runtime import train_table
from tests.runtime.stand_in_run import events, reason
from tests.runtime.train_setup import WORDS, write_data

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ROOM = "STEERSMAN_TEST_MEMORY_ROOM"
"""See runtime/workers/memory_room.py."""

PINS: dict[str, Value] = {
    "method": "lora",
    "num_processes": 1,
    "per_device_train_batch_size": 16,
    "gradient_accumulation_steps": 1,
    "max_length": 512,
    "zero_padding": False,
    "max_steps": 6,
    "num_train_epochs": 2,
    "save_steps": 2,
    "logging_steps": 1,
    "evaluation_strategy": "no",
    "lora_dropout": 0.0,
    "tracker": "none",
    "learning_rate": 0.005,
}


def rows_of_one_length(count: int) -> list[dict[str, Any]]:
    """Rows with the same number of tokens (bytes), so that a mean of means is the mean."""
    dice = random.Random(3)

    def text(size: int) -> str:
        return " ".join(dice.choices(WORDS, k=size))[:size]

    return [{"src": [text(100)], "tgt": [text(300)]} for _ in range(count)]


@pytest.fixture
def folder(tmp_path: Path, tiny_paddle_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEERSMAN_STAGE_TABLE", train_table.NAME)
    (tmp_path / "model").symlink_to(tiny_paddle_model)
    write_data(tmp_path / "data", rows_of_one_length(64), rows_of_one_length(2))
    return tmp_path


def new_training(folder: Path, name: str, model: Path, **pins: Value) -> RunFolder:
    found = data(rows=64, mean=410, longest=415)
    facts = Facts(model=resolve_model(str(model)), data=found, hardware=probe_hardware(folder))
    return create_run(folder / name, dumps(make_plan(facts, Wishes(pins={**PINS, **pins}))))


def supervised(run: RunFolder) -> int:
    return int(Supervisor(run, build_table(run)).execute())


def curve(run: RunFolder) -> dict[int, float]:
    metrics = read_status(run).view.stage("train").metrics
    return {metric.step: metric.values["loss"] for metric in metrics if "loss" in metric.values}


def test_memory_that_runs_out_in_mid_training_costs_one_step_down_and_no_step_of_training(
    folder: Path, tiny_hf_model: Path, engine_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_training(folder, "short", tiny_hf_model, on_oom="replan")
    monkeypatch.setenv(ROOM, f"2:{200 << 20}")
    assert supervised(run) == 0, read_status(run).reason
    plans = [loads(path.read_text()) for path in (*run.earlier_plans(), run.plan)]
    batches = [int(str(plan.value("per_device_train_batch_size"))) for plan in plans]
    assert batches[0] == 16 and len(batches) > 1
    for plan, batch in zip(plans, batches, strict=True):
        assert int(str(plan.value("gradient_accumulation_steps"))) == 16 // batch, "the same rows in a step"
    resumed = [e.reason for e in events(run) if e.kind == "state" and e.state == "resumed" and e.stage]
    assert resumed and resumed[0] in ("from checkpoint-2", "from checkpoint-4")
    assert "it goes on from its last checkpoint" in reason(run, "train", "redone")
    failed = [e.what for e in events(run) if e.kind == "error"]
    assert failed and set(failed) == {"The machine ran out of memory."}
    assert list(curve(run)) == [1, 2, 3, 4, 5, 6]


def test_the_curve_is_that_of_a_machine_with_enough_memory(
    folder: Path, tiny_hf_model: Path, engine_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = new_training(folder, "whole", tiny_hf_model)
    assert supervised(whole) == 0
    short = new_training(folder, "short", tiny_hf_model, on_oom="replan")
    monkeypatch.setenv(ROOM, f"2:{200 << 20}")
    assert supervised(short) == 0
    one, other = curve(whole), curve(short)
    assert [one[step] for step in (1, 2)] == [other[step] for step in (1, 2)]
    assert list(other.values()) == pytest.approx(list(one.values()), abs=1e-4)
