"""How plans find their engine: declared engines, their workers, and rows in PaddleFormers' layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.errors import BadInput
from planner.facts import Facts
from planner.families import ENGINES as KNOWN
from planner.planfile import dumps
from planner.solve import make_plan
from planner.wishes import Wishes
from runtime.acquire.resolve import resolve_model
from runtime.data import formers_rows
from runtime.data.scan import scan
from runtime.engines.interface import ENGINES, INSIDE, engine
from runtime.probe import probe_hardware
from runtime.run.layout import RunFolder
from runtime.stages.table import PlanTable, build

WORKERS = Path(__file__).resolve().parents[2] / "runtime" / "workers"


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_is_one_declared_thing(name: str) -> None:
    declared = engine(name)
    assert (declared.data / "families.yaml").is_file() and (declared.data / "arguments.yaml").is_file()
    assert list(declared.templates.glob("sft.*.j2"))
    for plan_stage in declared.runs():
        for stage in INSIDE:
            module = declared.worker(plan_stage, stage).replace(".", "/")
            text = (WORKERS / f"{module}.py").read_text(encoding="utf-8")
            assert "def main(" in text, f"{name}, {plan_stage}: {stage}"


def test_every_engine_of_the_planner_is_declared() -> None:
    assert tuple(ENGINES) == KNOWN


def test_an_unknown_engine_is_refused_in_one_sentence() -> None:
    with pytest.raises(BadInput) as refused:
        engine("torch")
    assert "torch" in refused.value.what and "paddleformers" in refused.value.remedy


@pytest.fixture
def table(tiny_hf_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlanTable:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))
    data = scan("steersman-demo", tiny_hf_model, max_length=256, src_length=128, seed=1, dev_fraction=0.1)
    hardware = probe_hardware(tmp_path)
    facts = Facts(model=resolve_model(str(tiny_hf_model)), data=data.facts, hardware=hardware)
    plan = make_plan(facts, Wishes(pins={"engine": "paddleformers"}), alternatives=False)
    return build(RunFolder(tmp_path / "run"), dumps(plan))


def test_a_plan_of_paddleformers_runs_in_its_own_workers(table: PlanTable) -> None:
    modules = {
        stage: next(word for word in table.task(stage, {}).command if word.startswith("paddleformers."))
        for stage in ("convert", "preflight", "train", "merge")
    }
    assert modules == {stage: f"paddleformers.{stage}" for stage in modules}
    assert "generate" in table.task("generate", {}).command, "answering is the same code"


def test_its_config_is_the_toolkits_own_yaml(table: PlanTable) -> None:
    task = table.task("train", {})
    values = yaml.safe_load(task.files["config.yaml"])
    assert task.spec["config"].endswith("config.yaml")
    assert (values["stage"], values["device"], values["_attn_implementation"]) == ("SFT", "cpu", "eager")
    assert values["train_dataset_path"] == "<prepare.data>/train.jsonl"
    assert table.task("prepare", {}).spec["layout"] == values["train_dataset_type"]


ROWS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"src": ["a", "c"], "tgt": ["b", "d"]},
        {"messages": [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]},
    ),
    (
        {"src": ["a"], "tgt": ["b"], "system": "s", "context": {"system": "s"}},
        {"messages": [("system", "s"), ("user", "a"), ("assistant", "b")]},
    ),
    (
        {"src": ["a"], "tgt": [], "response": ["good", "bad"], "sort": [1, 0]},
        {
            "messages": [("user", "a")],
            "chosen_response": [("assistant", "good")],
            "rejected_response": [("assistant", "bad")],
        },
    ),
]


@pytest.mark.parametrize(("row", "wanted"), ROWS)
def test_prepared_rows_become_messages(row: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = formers_rows.messages_row(row)
    assert {
        key: [(turn["role"], turn["content"]) for turn in turns] for key, turns in found.items()
    } == wanted


@pytest.mark.parametrize("layout", ["messages", "erniekit"])
def test_rows_are_written_beside_the_prepared_ones(tmp_path: Path, layout: str) -> None:
    row = {"src": ["a"], "tgt": ["b"]}
    for name in ("train.json", "dev.json"):
        (tmp_path / name).write_text(json.dumps(row) + "\n", encoding="utf-8")
    paths = formers_rows.write(tmp_path, layout)
    assert [path.name for path in paths] == ["train.jsonl", "dev.jsonl"]
    written = json.loads(paths[0].read_text(encoding="utf-8"))
    assert written == (row if layout == "erniekit" else formers_rows.messages_row(row))


def test_texts_stay_texts(tmp_path: Path) -> None:
    for name in ("train.json", "dev.json"):
        (tmp_path / name).write_text('{"text": "a"}\n', encoding="utf-8")
    assert json.loads(formers_rows.write(tmp_path, "messages")[0].read_text()) == {"text": "a"}
