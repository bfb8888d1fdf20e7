"""The stages of a real plan: commands, specifications, what they depend on. No engine is needed for that."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from planner.facts import Facts
from planner.planfile import dumps, loads
from planner.solve import make_plan
from planner.wishes import Wishes
from runtime.acquire.resolve import resolve_model
from runtime.data.scan import scan
from runtime.probe import probe_hardware
from runtime.run import commit
from runtime.run.layout import RunFolder
from runtime.run.resume import foresee
from runtime.run.task import Committed, Output, StageTask
from runtime.stages.table import PlanTable, build

ENGINE_STAGES = ("convert", "preflight", "train", "merge", "generate")


@pytest.fixture
def table(tiny_hf_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlanTable:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    data = scan("steersman-demo", tiny_hf_model, max_length=256, src_length=128, seed=1, dev_fraction=0.1)
    hardware = probe_hardware(tmp_path)
    facts = Facts(model=resolve_model(str(tiny_hf_model)), data=data.facts, hardware=hardware)
    text = dumps(make_plan(facts, Wishes()))
    return build(RunFolder(tmp_path / "run"), text)


def done(folder: Path, stage: str, output: str, digest: str = "d") -> dict[str, Committed]:
    outputs = {output: Output(str(folder / stage), {}, digest, 0)}
    return {stage: Committed(stage, 1.0, outputs, {}, "", 1.0)}


def tasks(table: PlanTable) -> dict[str, StageTask]:
    return {stage: table.task(stage, {}) for stage in table.stages}


def test_every_stage_of_the_plan_has_a_task_that_serializes(table: PlanTable) -> None:
    for stage, task in tasks(table).items():
        json.dumps(task.spec)
        assert task.spec["stage"] == task.stage == stage
        assert Path(task.spec["stage_folder"]).is_absolute()
        assert task.command[0] == (str(table.python()) if stage in ENGINE_STAGES else sys.executable)
        assert task.inside_engine == (stage in ENGINE_STAGES)


def test_only_the_stages_that_need_a_token_may_see_one(table: PlanTable) -> None:
    seen = {stage: task.secrets for stage, task in tasks(table).items() if task.secrets}
    assert set(seen) == {"acquire"}
    assert "HF_TOKEN" in seen["acquire"]


def test_what_proves_computes_on_the_host_and_what_answers_where_it_fits(table: PlanTable) -> None:
    """Devices round float32 products to more than a proof allows, and one alone may be too small."""
    hidden = {
        stage for stage, task in tasks(table).items() if task.environment.get("CUDA_VISIBLE_DEVICES") == ""
    }
    assert hidden == {"convert", "merge"}


def test_training_goes_through_paddles_launcher(table: PlanTable) -> None:
    command = table.task("train", {}).command
    assert command[1:3] == ("-m", "paddle.distributed.launch")
    assert command[-2:] == ("train", str(table.run.stage("train").spec))


def test_results_depend_on_what_inputs_contain_and_not_on_where_they_lie(
    table: PlanTable, tmp_path: Path
) -> None:
    here = done(tmp_path / "here", "acquire", "model")
    there = done(tmp_path / "there", "acquire", "model")
    other = done(tmp_path / "here", "acquire", "model", digest="other")
    prints = [commit.fingerprint(table.task("prepare", known), table.run) for known in (here, there, other)]
    assert prints[0] == prints[1]
    assert prints[0] != prints[2]


def test_a_setting_changes_the_stages_that_it_concerns(table: PlanTable) -> None:
    plan = table.plan.wishes.model_copy(update={"pins": {"learning_rate": 0.00123}})
    changed = PlanTable(table.run, make_plan(table.plan.facts, plan))
    different = [
        stage
        for stage in table.stages
        if commit.fingerprint(table.task(stage, {}), table.run)
        != commit.fingerprint(changed.task(stage, {}), table.run)
    ]
    assert different == ["preflight", "train"]


def test_the_bundled_data_brings_its_own_test_prompts(table: PlanTable) -> None:
    prompts = table.task("generate", {}).spec["prompts"]
    assert len(prompts) == 8
    assert all(prompt[-1]["role"] == "user" for prompt in prompts)


def test_a_dry_run_needs_neither_engine_nor_run_folder(table: PlanTable) -> None:
    foreseen = foresee(table.run, table, [])
    assert [verdict.action for _, verdict in foreseen] == ["run"] * len(table.stages)
    train = next(task for task, _ in foreseen if task.stage == "train")
    config = json.loads(train.files["config.json"])
    assert (config["model_name_or_path"], config["dataset_name_or_path"]) == (
        "<convert.model>",
        "<prepare.data>",
    )
    assert not table.run.root.exists()


def test_the_table_reads_the_plan_that_was_written(table: PlanTable) -> None:
    assert loads(dumps(table.plan)) == table.plan
