"""An embedding fine-tune for real: the loss, steps divided in any way, exact resume, what queries find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.results_setup import events_of
from tests.runtime.texts_setup import EMBEDDING, LAB, TextRuns, prepared, queries
from tests.runtime.train_setup import run_lab

pytestmark = pytest.mark.engine

LAST = 12
EXACT = {"lora_dropout": 0.0}
WHOLE = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1}
REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "ignored loss": ({"loss_type": "inf_cl"}, "Upstream ignores it without gradient accumulation"),
    "template": ({"query_template": "{text} {text}"}, "once"),
    "unknown key": ({"temperature": 0.1}, "`temperature` is not a setting"),
    "group": ({"group_size": 0}, "above 0"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_paddle_model: Path, tiny_hf_model: Path) -> TextRuns:
    root = tmp_path_factory.mktemp("embedding")
    return TextRuns(root, tiny_paddle_model, prepared(root, queries(30), tiny_hf_model, 0.2), EMBEDDING)


@pytest.fixture(scope="module")
def lab(runs: TextRuns, tiny_hf_model: Path, engine_python: Path) -> dict[str, dict[str, Any]]:
    """Every experiment of this file, in one engine process."""
    adapter = {"method": "lora", "lora_rank": 4, "lora_variant": "plain", "lora_dropout": 0.1}
    experiments = [
        {"do": "read", "name": "upstream's reader", "path": str(runs.data / "train.json")},
        {"do": "losses", "name": "losses", "config": str(runs.config("losses"))},
        runs.trained("whole"),
        runs.copied("whole", "from 3", 3),
        runs.trained("from 3"),
        runs.copied("whole", "from 8", 8),
        runs.trained("from 8"),
        runs.trained("undivided", **WHOLE),
        runs.trained("apart", patch="apart_micro_batches"),
        runs.trained("lora", extras=adapter),
        runs.copied("lora", "lora from 8", 8),
        runs.trained("lora from 8", extras=adapter),
        runs.merged("whole", tiny_hf_model, "embedding_merge"),
        runs.asked("whole", "search"),
    ]
    experiments += [
        {"do": "refusal", "name": name, "setup": EMBEDDING, "config": str(runs.config(name, **changes))}
        for name, (changes, _) in REFUSALS.items()
    ]
    return run_lab(engine_python, 1, runs.root / "lab", experiments, LAB)


def test_upstream_reads_what_is_prepared(runs: TextRuns, lab: dict[str, Any]) -> None:
    found = lab["upstream's reader"]
    row = json.loads((runs.data / "train.json").read_text().splitlines()[0])
    assert (found["query"], found["good"], found["bad"]) == tuple(row.values())


def test_the_loss_is_upstreams_where_that_is_right(lab: dict[str, Any]) -> None:
    even, uneven, shared = (lab["losses"][name] for name in ("even", "uneven", "shared"))
    assert even["ours"] == pytest.approx(even["slow"], rel=1e-4) == pytest.approx(even["upstream"], rel=1e-4)
    assert uneven["ours"] == pytest.approx(uneven["slow"], rel=1e-4)
    assert abs(uneven["upstream"] - uneven["slow"]) > 0.1, "upstream compares with the wrong passages"
    assert shared["ours"] == pytest.approx(0, abs=1e-6), "the same passage is not held against another query"
    assert shared["upstream"] > 0.5


@pytest.mark.parametrize("step", [3, 8], ids=["first epoch", "later epoch"])
def test_resumed_curve_equals_the_uninterrupted_one(runs: TextRuns, lab: dict[str, Any], step: int) -> None:
    whole = runs.curve("whole")
    assert sorted(whole) == list(range(1, LAST + 1))
    assert runs.curve(f"from {step}") == {number: loss for number, loss in whole.items() if number > step}
    assert lab["whole"]["micro_batches"] == [2] * LAST


def test_dropout_of_an_adapter_resumes_exactly_too(runs: TextRuns, lab: dict[str, Any]) -> None:
    whole = runs.curve("lora")
    assert runs.curve("lora from 8") == {number: loss for number, loss in whole.items() if number > 8}
    assert (runs.output("lora") / "adapter" / "lora_config.json").exists()


def test_a_step_learns_the_same_however_it_is_divided(runs: TextRuns, lab: dict[str, Any]) -> None:
    divided, undivided, apart = (runs.curve(name) for name in ("whole", "undivided", "apart"))
    assert all(divided[step] == pytest.approx(undivided[step], abs=2e-3) for step in divided)
    assert abs(apart[1] - undivided[1]) > 0.05, "micro-batches by themselves compare with fewer passages"


def test_queries_find_their_passages_and_the_result_says_the_loss_of_the_training(
    runs: TextRuns, lab: dict[str, Any]
) -> None:
    figures = lab["whole asked"]["figures"]
    assert figures["tuned_margin"] > figures["base_margin"]
    (proof,) = events_of(runs.root / "whole asked", "proof")
    assert proof["passed"]
    assert proof["measured"]["apart"] < 2e-3
    last = runs.events("whole", "metric")[-1]["values"]
    assert {"eval_recall", "eval_margin"} <= set(last)
    samples = json.loads(Path(lab["whole asked"]["outputs"]["samples"]).read_text())
    dev = [json.loads(line) for line in (runs.data / "dev.json").read_text().splitlines()]
    assert [sample["reference"] for sample in samples] == [row["pos_passage"][0] for row in dev][:8]


def test_the_result_is_a_folder_for_sentence_transformers(lab: dict[str, Any]) -> None:
    folder = Path(lab["whole merged"]["outputs"]["model"])
    modules = json.loads((folder / "modules.json").read_text())
    assert [module["path"] for module in modules] == ["", "1_Pooling", "2_Normalize"]
    assert json.loads((folder / "1_Pooling" / "config.json").read_text())["pooling_mode_lasttoken"] is True
    from tokenizers import Tokenizer

    encoded = Tokenizer.from_file(str(folder / "tokenizer.json")).encode("sail")
    assert encoded.tokens[-1] == "<|im_end|>"


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(lab: dict[str, Any], name: str) -> None:
    assert REFUSALS[name][1] in lab[name]["sentence"]
