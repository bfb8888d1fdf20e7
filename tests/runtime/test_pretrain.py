"""Continued pretraining for real: every token once an epoch, exact resume, a result proven on other text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.results_setup import events_of
from tests.runtime.texts_setup import LAB, LENGTH, PRETRAIN, TextRuns, prepared, texts
from tests.runtime.train_setup import run_lab

pytestmark = pytest.mark.engine

LAST = 12
SHORT = {"max_steps": 4, "eval_steps": 4, "save_steps": 4}
REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "from scratch": ({"continue_training": False}, "random weights"),
    "unknown key": ({"max_length": 32}, "`max_length` is not a setting"),
    "several sources": ({"input_dir": "1.0 a 2.0 b"}, "must be one folder"),
    "other layers": ({"num_hidden_layers": 1}, "another number of layers"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_paddle_model: Path, tiny_hf_model: Path) -> TextRuns:
    root = tmp_path_factory.mktemp("pretrain")
    return TextRuns(root, tiny_paddle_model, prepared(root, texts(24), tiny_hf_model, 0.15), PRETRAIN)


@pytest.fixture(scope="module")
def lab(runs: TextRuns, tiny_hf_model: Path, engine_python: Path) -> dict[str, dict[str, Any]]:
    """Every experiment of this file, in one engine process."""
    adapter = {"method": "lora", "lora_rank": 4, "lora_variant": "rslora", "lora_plus_scale": 1.0}
    wrong = json.loads(json.dumps({"figures": {"eval_loss": 1.0}}))
    (runs.root / "wrong.json").write_text(json.dumps(wrong))
    (runs.root / "empty").mkdir()
    experiments = [
        {"do": "blocks", "name": "blocks", "folder": str(runs.data), "length": LENGTH},
        runs.trained("whole"),
        runs.copied("whole", "from 3", 3),
        runs.trained("from 3"),
        runs.copied("whole", "from 9", 9),
        runs.trained("from 9"),
        runs.trained("no floor", patch="without_floor"),
        runs.trained("lora", extras=adapter, **SHORT),
        runs.trained("no texts", input_dir=str(runs.root / "empty"), **SHORT),
        runs.merged("whole", tiny_hf_model),
        runs.asked("whole", "continue"),
        runs.merged("lora", tiny_hf_model, outcome="adapter"),
        runs.asked("lora", "continue", beginnings=["sail helm"]),
        {**runs.asked("whole", "continue", train_result=str(runs.root / "wrong.json"),
                      stage_folder=str(runs.root / "other")), "name": "another loss"},
    ]  # fmt: skip
    experiments += [
        {"do": "refusal", "name": name, "setup": PRETRAIN, "config": str(runs.config(name, **changes))}
        for name, (changes, _) in REFUSALS.items()
    ]
    return run_lab(engine_python, 1, runs.root / "lab", experiments, LAB)


def test_every_token_is_given_and_learned_once_an_epoch(runs: TextRuns, lab: dict[str, Any]) -> None:
    found = lab["blocks"]
    assert found["given"][1:] == found["learned"][:-1]
    report = json.loads((runs.data / "prepare.json").read_text())["tokens"][0]
    assert len(found["learned"]) == report["tokens"] - 1
    assert found["texts"] == report["documents"]
    assert found["upstream_texts"] < found["texts"], "upstream keeps training texts for splits of its own"


@pytest.mark.parametrize("step", [3, 9], ids=["first epoch", "later epoch"])
def test_resumed_curve_equals_the_uninterrupted_one(runs: TextRuns, lab: dict[str, Any], step: int) -> None:
    whole = runs.curve("whole")
    assert sorted(whole) == list(range(1, LAST + 1))
    assert runs.curve(f"from {step}") == {number: loss for number, loss in whole.items() if number > step}
    assert lab["whole"]["micro_batches"] == [2] * LAST, "no micro-batch is left over at the end of an epoch"


def test_the_learning_rate_ends_at_its_floor(runs: TextRuns, lab: dict[str, Any]) -> None:
    def last(name: str) -> float:
        rates = [event["values"].get("learning_rate") for event in runs.events(name, "metric")]
        return float([rate for rate in rates if rate is not None][-1])

    assert last("whole") >= 5e-4
    assert last("no floor") < 5e-4, "the trainer's own schedule goes below it"


def test_text_becomes_more_likely_and_the_result_says_the_loss_of_the_training(
    runs: TextRuns, lab: dict[str, Any]
) -> None:
    figures = lab["whole asked"]["figures"]
    assert figures["tuned_perplexity"] < 0.5 * figures["base_perplexity"]
    proofs = {proof["name"]: proof for proof in events_of(runs.root / "whole asked", "proof")}
    assert proofs["generate.perplexity"]["passed"]
    assert proofs["generate.answers"]["passed"]
    assert proofs["generate.perplexity"]["measured"]["apart"] < 1e-4
    samples = json.loads(Path(lab["whole asked"]["outputs"]["samples"]).read_text())
    held_out = [json.loads(line)["text"] for line in (runs.data / "dev.json").read_text().splitlines()]
    for sample, text in zip(samples, held_out, strict=False):
        assert text.startswith(sample["prompt"][0]["content"].strip())
        assert sample["reference"] in text


def test_a_result_with_another_loss_is_refused(lab: dict[str, Any]) -> None:
    assert "training ended with 1.0000" in lab["another loss"]["refused"]


def test_an_adapter_is_trained_and_merged(runs: TextRuns, lab: dict[str, Any]) -> None:
    config = json.loads((runs.output("lora") / "adapter" / "lora_config.json").read_text())
    assert (config["r"], config["rslora"], config["lora_alpha"]) == (4, True, 8)
    assert lab["lora merged"]["figures"]["effect_on_logits"] > 0
    samples = json.loads(Path(lab["lora asked"]["outputs"]["samples"]).read_text())
    assert [sample["prompt"][0]["content"] for sample in samples] == ["sail helm"]


def test_absent_token_files_are_named(runs: TextRuns, lab: dict[str, Any]) -> None:
    assert lab["no texts"]["code"] == 1
    assert "There are no token files" in runs.messages("no texts")


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(lab: dict[str, Any], name: str) -> None:
    assert REFUSALS[name][1] in lab[name]["sentence"]
