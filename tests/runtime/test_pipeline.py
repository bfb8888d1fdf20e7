"""Two processes that each hold half of the layers, really run on the CPU: they learn what one process learns,
go on exactly where they were, and hand out one model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from runtime.workers import adapter_files, shards
from runtime.workers.refusal import RefusedError
from tests.runtime.texts_setup import LAB, PRETRAIN, TextRuns, prepared, texts
from tests.runtime.train_setup import Runs, rows, run_lab, write_data

pytestmark = pytest.mark.engine

SFT = "sft_setup"
STAGES = 2
LAST, MIDDLE = 6, 4
SHORT: dict[str, Any] = {
    "max_steps": LAST,
    "eval_steps": 3,
    "save_steps": 1,
    "learning_rate": 1e-3,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 4,
}
"""Batches are the same throughout: a process sets its pipeline up once."""
EXTRAS: dict[str, Any] = {"lora_dropout": 0.0}
PIPELINE = {"pipeline_parallel_degree": STAGES}
FULL: dict[str, Any] = {"lora": False}
REFUSED: dict[str, dict[str, Any]] = {
    "prefix tuning": {
        "lora": False,
        "prefix_tuning": True,
        "unified_checkpoint": False,
        "zero_padding": False,
    },
    "ReFT": {"lora": False, "reft": True, "unified_checkpoint": False, "zero_padding": False},
    "MoRA": {"use_mora": True},
    "PiSSA": {"pissa": True},
    "sharding stage2": {"sharding": "stage2", "sharding_parallel_degree": 2},
}
ADAPTER: dict[str, Any] = {"unified_checkpoint": False, "zero_padding": False}


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory, tiny_paddle_model: Path) -> Runs:
    root = tmp_path_factory.mktemp("pipeline")
    data = write_data(root / "chats", rows(23), rows(7, seed=1))
    return Runs(root / "sft", tiny_paddle_model, data)


@pytest.fixture(scope="module")
def plain_texts(chats: Runs, tiny_paddle_model: Path, tiny_hf_model: Path) -> TextRuns:
    data = prepared(chats.root / "texts", texts(24), tiny_hf_model, 0.15)
    return TextRuns(chats.root / "pre", tiny_paddle_model, data, PRETRAIN)


def trained(runs: Runs, kind: str, name: str, **changes: Any) -> dict[str, Any]:
    return {
        "do": "train",
        "name": f"{kind} {name}",
        "spec": runs.spec(name, EXTRAS, **{**SHORT, **changes}),
        "setup": kind,
    }


def copied(runs: Runs, kind: str, source: str, name: str) -> dict[str, Any]:
    paths = {"source": str(runs.output(source)), "output": str(runs.output(name))}
    return {"do": "copy", "name": f"{kind} to {name}", **paths, "steps": [MIDDLE]}


@pytest.fixture(scope="module")
def both(chats: Runs, plain_texts: TextRuns, engine_python: Path) -> dict[str, dict[str, Any]]:
    """Everything that needs two processes, in one start of the launcher."""
    experiments = []
    for name, changes in (("full", FULL), ("adapter", ADAPTER)):
        changes = {**changes, **PIPELINE}
        experiments += [
            trained(chats, SFT, name, **changes),
            copied(chats, SFT, name, f"{name} resumed"),
            trained(chats, SFT, f"{name} resumed", **changes),
        ]
    experiments.append(trained(plain_texts, PRETRAIN, "full", **PIPELINE))
    return run_lab(engine_python, STAGES, chats.root / "two", experiments, LAB)


@pytest.fixture(scope="module")
def alone(
    both: dict[str, Any], chats: Runs, plain_texts: TextRuns, engine_python: Path, tiny_hf_model: Path
) -> dict[str, dict[str, Any]]:
    """The same on one process, the merges, and a checkpoint of two stages there."""
    experiments = [trained(chats, SFT, "full alone", **FULL), trained(plain_texts, PRETRAIN, "full alone")]
    results = {
        "full": {"trained_model": chats.output("full") / "model"},
        "adapter": {"adapter": chats.output("adapter") / "adapter"},
        "pieces": {"adapter": chats.output("adapter") / f"checkpoint-{LAST}"},
    }
    for name, result in results.items():
        folder = chats.root / f"merge {name}"
        spec: dict[str, Any] = {
            "stage": "merge",
            "stage_folder": str(folder),
            "base": str(chats.model),
            "hf_folder": str(tiny_hf_model),
            "destination": str(folder / "model"),
            "tolerance": 1e-4,
            **{key: str(path) for key, path in result.items()},
        }
        experiments.append({"do": "stage", "name": f"merge {name}", "work": "merge", "spec": spec})
    for name, changes in REFUSED.items():
        config = str(chats.config(f"refused {name}", **PIPELINE, **changes))
        experiments.append({"do": "refusal", "name": f"refusal {name}", "setup": SFT, "config": config})
    experiments += [copied(chats, SFT, "full", "taken over"), trained(chats, SFT, "taken over", **FULL)]
    return run_lab(engine_python, 1, chats.root / "one", experiments, LAB)


def test_two_stages_learn_what_one_process_learns(
    chats: Runs, plain_texts: TextRuns, alone: dict[str, Any]
) -> None:
    """With tied embeddings, whose gradient upstream counts twice when it clips."""
    for runs in (chats, plain_texts):
        two, one = runs.curve("full"), runs.curve("full alone")
        assert sorted(two) == list(range(1, LAST + 1))
        assert all(two[step] == pytest.approx(one[step], abs=2e-5) for step in one)


def test_the_dev_loss_counts_every_answer_token_once(chats: Runs, alone: dict[str, Any]) -> None:
    def looks(name: str) -> list[float]:
        figures = [event["values"] for event in chats.events(name, "metric")]
        return [values["eval_loss"] for values in figures if "eval_loss" in values]

    assert len(looks("full")) == 2
    assert looks("full") == pytest.approx(looks("full alone"), abs=2e-5)


@pytest.mark.parametrize("name", ["full", "adapter"])
def test_a_resumed_pipeline_equals_the_uninterrupted_one(
    chats: Runs, both: dict[str, Any], name: str
) -> None:
    whole, resumed = chats.curve(name), chats.curve(f"{name} resumed")
    assert resumed == {step: loss for step, loss in whole.items() if step > MIDDLE}


def test_tokens_are_counted_once_and_not_by_stage(chats: Runs, alone: dict[str, Any]) -> None:
    assert chats.result("full")["figures"]["tokens"] == chats.result("full alone")["figures"]["tokens"]


@pytest.mark.parametrize("name", ["full", "adapter", "pieces"])
def test_what_it_hands_out_is_one_model(alone: dict[str, Any], name: str) -> None:
    """`pieces`: a checkpoint with a file for each stage."""
    figures = alone[f"merge {name}"]["figures"]
    assert figures["effect_on_logits"] > 0
    assert figures["max_logit_difference"] <= 1e-4


def test_the_pieces_of_stages_join_to_what_was_handed_out(
    chats: Runs, both: dict[str, Any], tmp_path: Path
) -> None:
    folder, whole = chats.output("adapter"), chats.output("full") / "model"
    pieces = folder / f"checkpoint-{LAST}"
    found = adapter_files.tensors_in(pieces)
    handed_out = adapter_files.tensors_in(folder / "adapter")
    assert found.keys() == handed_out.keys()
    assert all(np.array_equal(found[name], value) for name, value in handed_out.items())
    assert len({name for file in whole.glob("*.safetensors") for name in load_file(file)}) > len(found) / 2
    lost = shutil.copytree(pieces, tmp_path / "lost")
    (lost / "lora_model_state.pp00.pdparams").unlink()
    with pytest.raises(RefusedError, match="lacks the file of pipeline stage 0"):
        adapter_files.tensors_in(lost)
    assert shards.rank_files(lost) is None


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_go_with_a_pipeline_is_refused(alone: dict[str, Any], name: str) -> None:
    sentence = alone[f"refusal {name}"]["sentence"]
    assert f"{name} does not work in a pipeline" in sentence


def test_another_number_of_stages_is_refused_in_words(chats: Runs, alone: dict[str, Any]) -> None:
    assert alone[f"{SFT} taken over"]["code"] == 1
    assert "is of a pipeline of 2 stage(s); now there are 1" in chats.messages("taken over")
