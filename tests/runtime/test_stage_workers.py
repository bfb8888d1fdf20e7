"""Plans that learn from texts or queries: which workers do their stages, what they are told and prove."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.errors import BadInput
from planner.facts import Facts
from planner.methods import runnable
from planner.solve import make_plan
from planner.wishes import Stage, Wishes
from runtime.acquire.resolve import resolve_model
from runtime.data.scan import scan
from runtime.probe import probe_hardware
from runtime.rendered import config_texts
from runtime.run.layout import RunFolder
from runtime.stages.table import PlanTable
from tests.runtime.data_files import write_rows
from tests.runtime.texts_setup import queries, texts

ROWS = {"pretrain": texts(40), "embedding": queries(40)}


def table(stage: Stage, model: Path, folder: Path, **pins: Any) -> PlanTable:
    data = write_rows(folder / f"{stage}.jsonl", ROWS[stage])
    found = scan(str(data), model, max_length=64, src_length=64, seed=1, dev_fraction=0.1, stage=stage)
    hardware = probe_hardware(folder)
    facts = Facts(model=resolve_model(str(model)), data=found.facts, hardware=hardware)
    return PlanTable(RunFolder(folder / "run"), make_plan(facts, Wishes(stage=stage, pins=pins)))


def worker_of(table: PlanTable, stage: str) -> str:
    return table.task(stage, {}).command[-2]


@pytest.mark.parametrize("stage", ["pretrain", "embedding"])
def test_stages_are_done_by_the_workers_of_the_plans_stage(
    stage: Stage, tiny_hf_model: Path, tmp_path: Path
) -> None:
    found = table(stage, tiny_hf_model, tmp_path)
    assert not runnable(found.plan)
    assert worker_of(found, "train") == f"{stage}_train"
    assert worker_of(found, "preflight") == f"{stage}_preflight"
    assert worker_of(found, "generate") == f"{stage}_generate"
    assert worker_of(found, "convert") == "convert"
    asked = found.task("generate", {})
    proof = {"pretrain": "generate.perplexity", "embedding": "generate.embeddings"}[stage]
    assert proof in asked.proofs
    assert asked.spec["train_result"] == str(found.run.stage("train").result)
    assert json.loads(config_texts(found.plan)["train.json"])["extras"]["tracker"] == "swanlab-offline"
    assert f"start.py {stage}_train" in config_texts(found.plan)["launch.sh"]


@pytest.mark.parametrize("stage", ["pretrain", "embedding"])
def test_an_adapter_travels_beside_the_config(stage: Stage, tiny_hf_model: Path, tmp_path: Path) -> None:
    found = table(stage, tiny_hf_model, tmp_path, method="lora", lora_variant="rslora", lora_rank=4)
    task = found.task("train", {})
    assert "lora" not in json.loads(task.files["config.json"])
    extras = task.spec["extras"]
    assert (extras["method"], extras["lora_variant"], extras["lora_rank"]) == ("lora", "rslora", 4)
    merged = found.task("merge", {})
    assert set(merged.spec) & {"adapter", "trained_model"} == {"adapter"}
    whole = table(stage, tiny_hf_model, tmp_path)
    assert "method" not in whole.task("train", {}).spec["extras"]


def test_queries_are_no_chats_and_chats_no_queries(tiny_hf_model: Path, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "queries.jsonl", ROWS["embedding"])
    with pytest.raises(BadInput, match="queries with passages"):
        scan(str(data), tiny_hf_model, stage="sft")
    with pytest.raises(BadInput, match="conversations"):
        scan("steersman-demo", tiny_hf_model, stage="embedding")
