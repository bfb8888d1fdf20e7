"""What is seen while training: accuracy, answers with scores, the best checkpoint, when to stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.workers.scores import score
from tests.runtime.train_setup import Runs, rows, run_lab, write_data

pytestmark = pytest.mark.engine

LAB = Path(__file__).parent / "methods_lab.py"
LESSON = {"src": ["Who are you?"], "tgt": ["I am Steersman, your ship."]}
OTHER = {"src": ["Who are you?"], "tgt": ["0123456789"]}
HOT = {"lora": False, "learning_rate": 5e-3, "lr_scheduler_type": "constant", "zero_padding": False}
RISING = {**HOT, "max_steps": 12, "eval_steps": 2, "save_steps": 2, "load_best_model_at_end": True}
PATIENCE = {"early_stopping_patience": 2}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_paddle_model: Path) -> Runs:
    root = tmp_path_factory.mktemp("looks")
    return Runs(root, tiny_paddle_model, write_data(root / "data", rows(8), rows(3, seed=1)))


@pytest.fixture(scope="module")
def lab(runs: Runs, engine_python: Path) -> dict[str, dict[str, Any]]:
    """Everything of this file in one engine process. In `rising`, the lesson makes dev rows unlikelier."""
    rising = write_data(runs.root / "rising", [LESSON] * 4, [OTHER])
    same = write_data(runs.root / "same", [LESSON] * 4, [LESSON] * 2)
    learns = {**HOT, "max_steps": 40, "eval_steps": 20, "save_steps": 20, "eval_with_do_generation": True}

    def train(
        name: str, run: str, data: Path, extras: dict[str, Any] | None = None, **changes: Any
    ) -> dict[str, Any]:
        spec = runs.spec(run, extras, dataset_name_or_path=data, **changes)
        return {"do": "train", "name": name, "spec": spec}

    steps = [
        train("best", "best", rising, **{**RISING, "save_total_limit": 1}),
        train("last", "last", rising, **{**RISING, "load_best_model_at_end": False}),
        train("patient", "patient", rising, PATIENCE, **RISING),
        {"do": "forget", "name": "forget", "result": str(runs.stage("patient") / "result.json")},
        train("patient again", "patient", rising, PATIENCE, **RISING),
        train("answers", "answers", same, **learns),
        train("often", "often", same, **{**learns, "max_steps": 4, "eval_steps": 1, "save_steps": 2}),
    ]
    for name in ("best", "last"):
        folder, data = runs.output(name) / "model", rising / "dev.json"
        steps.append({"do": "dev_loss", "name": f"{name} loss", "model": str(folder), "data": str(data)})
    return run_lab(engine_python, 1, runs.root / "lab", steps, LAB)


def looks(runs: Runs, name: str) -> dict[int, dict[str, float]]:
    """Return step -> figures of each evaluation."""
    events = runs.events(name, "metric")
    return {event["step"]: event["values"] for event in events if "eval_loss" in event["values"]}


def test_the_weights_of_the_lowest_dev_loss_are_handed_over(runs: Runs, lab: dict[str, Any]) -> None:
    found = {step: values["eval_loss"] for step, values in looks(runs, "best").items()}
    best = min(found, key=lambda step: found[step])
    assert best < 12 and found[12] > found[best] + 0.01, (
        "the dev loss must rise for this test to mean anything"
    )
    figures = runs.result("best")["figures"]
    assert figures["best_step"] == best
    assert figures["eval_loss"] == pytest.approx(found[best])
    assert lab["best loss"]["loss"] == pytest.approx(found[best], abs=1e-4)
    assert f"weights of step {best} are handed over" in runs.messages("best")
    assert runs.checkpoints("best") == [best, 12], "the best one is spared, whatever save_total_limit says"


def test_without_asking_for_it_the_last_weights_are_handed_over(runs: Runs, lab: dict[str, Any]) -> None:
    assert "best_step" not in runs.result("last")["figures"]
    assert lab["last loss"]["loss"] == pytest.approx(looks(runs, "last")[12]["eval_loss"], abs=1e-4)


def test_training_ends_when_the_dev_loss_no_longer_falls(runs: Runs, lab: dict[str, Any]) -> None:
    found = looks(runs, "patient")
    best = min(found, key=lambda step: found[step]["eval_loss"])
    last = best + 2 * PATIENCE["early_stopping_patience"]
    assert max(found) == last < 12
    assert len(lab["patient"]["micro_batches"]) == last
    assert f"training ends at step {last} of 12" in runs.messages("patient")


def test_a_run_that_ended_early_is_not_trained_on_when_started_again(runs: Runs, lab: dict[str, Any]) -> None:
    assert lab["patient again"]["micro_batches"] == []
    assert runs.result("patient")["figures"]["best_step"] == runs.result("best")["figures"]["best_step"]


def test_accuracy_and_perplexity_are_those_of_answer_tokens(runs: Runs, lab: dict[str, Any]) -> None:
    for values in looks(runs, "answers").values():
        assert values["eval_ppl"] == pytest.approx(np.exp(values["eval_loss"]), rel=1e-5)
    assert looks(runs, "last")[2]["eval_accuracy"] < 0.5
    assert looks(runs, "answers")[40]["eval_accuracy"] == 1.0, "the lesson was learnt by heart"


def test_the_model_answers_dev_rows_and_is_scored(runs: Runs, lab: dict[str, Any]) -> None:
    """With a chat template, with which upstream switches this off without a word."""
    samples = json.loads((runs.output("answers") / "samples" / "samples-40.json").read_text(encoding="utf-8"))
    assert (
        samples
        == [{"question": "Who are you?", "reference": LESSON["tgt"][0], "answer": LESSON["tgt"][0]}] * 2
    )
    final = looks(runs, "answers")[40]
    expected = score([one["answer"] for one in samples], [one["reference"] for one in samples])
    assert {name: final[f"eval_{name}"] for name in expected} == pytest.approx(expected)
    assert final["eval_bleu4"] == pytest.approx(1.0)
    assert "eval_bleu4" not in looks(runs, "last")[2]


def test_answering_while_training_changes_nothing(runs: Runs, lab: dict[str, Any]) -> None:
    assert lab["answers"]["code"] == lab["often"]["code"] == 0
    assert list(runs.curve("answers")) == list(range(1, 41))
    assert [runs.curve("often")[step] for step in range(1, 5)] == [
        runs.curve("answers")[step] for step in range(1, 5)
    ]
