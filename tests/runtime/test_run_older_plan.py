"""A run of an earlier version goes on: newer settings with today's defaults undo nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.planfile import dumps
from runtime.events import Log
from runtime.run.layout import RunFolder, create_run
from runtime.run.resume import foresee
from runtime.stages.table import build
from tests.planner.scenes import plan
from tests.runtime import stand_in_table
from tests.runtime.stand_in_run import events, new_run, plan_text, reason, states, supervise

pytestmark = pytest.mark.usefixtures("stand_ins")

TOLD = "plan.yaml was saved by an earlier version."


def updated(run: RunFolder, lacking: str = TOLD, **stages: dict[str, Any]) -> None:
    """Let the run be read by a version that knows more settings."""
    values = yaml.safe_load(plan_text(**stages))
    run.plan.write_text(yaml.safe_dump({**values, "lacking": lacking}, sort_keys=False), encoding="utf-8")


def foreseen(run: RunFolder) -> dict[str, tuple[str, str, bool]]:
    """Return stage -> what a resume would do, why, and whether it begins anew."""
    found = foresee(run, stand_in_table.build(run, run.plan.read_text(encoding="utf-8")), events(run))
    return {task.stage: (verdict.action, verdict.reason, verdict.from_scratch) for task, verdict in found}


def test_what_is_finished_stays_finished_and_half_a_training_goes_on(tmp_path: Path) -> None:
    stages: dict[str, dict[str, Any]] = {
        "prepare": {"value": 1},
        "train": {"steps": 2, "save_steps": 1, "exit": 1},
    }
    run = new_run(tmp_path / "run", **stages)
    assert supervise(run) == 4
    newer: dict[str, Any] = {name: {**one, "extra": {"newer": 1}} for name, one in stages.items()}
    updated(run, lacking="", **newer)
    assert foreseen(run)["prepare"][0] == "redo"
    assert "extra is now" in foreseen(run)["prepare"][1]
    updated(run, prepare=newer["prepare"], train={**newer["train"], "steps": 3})
    assert foreseen(run)["train"] == (
        "redo",
        'its settings changed: steps 2 -> 3, extra is now {"newer": 1}',
        True,
    )
    updated(run, **newer)
    assert foreseen(run)["train"] == ("redo", "it failed last time", False)
    assert supervise(run) == 4
    assert states(run, "prepare") == ["started", "committed", "skipped"]
    assert "proven at" in reason(run, "prepare", "skipped")
    assert reason(run, "train", "resumed") == "from step 2"
    assert [event.message for event in events(run) if isinstance(event, Log) and not event.stage] == [TOLD]
    spec = run.stage("prepare").spec
    spec.write_text(spec.read_text().replace('"value": 1', '"value": 3'))
    assert foreseen(run)["prepare"][0] == "redo", "the files are not those of the attempt"


def test_the_tasks_of_an_older_plan_are_those_of_the_whole_one(tmp_path: Path) -> None:
    text = dumps(plan())
    older = re.sub(r"\n    tracker:\n(?:      .*\n)+", "\n", text, count=1).replace(
        "\n    tracker: ", "\n    #", 1
    )
    run = create_run(tmp_path / "run", older)
    now, then = build(run, text), build(run, older)
    assert "lacks 1 of today's settings" in then.lacking
    for stage in now.stages:
        one, other = now.task(stage, {}), then.task(stage, {})
        assert (one.spec, one.files) == (other.spec, other.files)
        assert (one.newer_settings, other.newer_settings) == (False, True)
