"""Two processes that share the optimizer (sharding stage 1), really run on the CPU, for every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runtime.texts_setup import EMBEDDING, LAB, PRETRAIN, TextRuns, prepared, queries, texts
from tests.runtime.train_setup import Runs, rows, run_lab, write_data

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SFT = "sft_setup"
SHARDED = {"sharding": "stage1", "sharding_parallel_degree": 2}
PLAIN = {"unified_checkpoint": False}
SHORT = {"max_steps": 8, "eval_steps": 4, "save_steps": 1}
LAST, MIDDLE = 8, 6
NAMES = {SFT: "chats", PRETRAIN: "texts", EMBEDDING: "queries"}
KINDS = (SFT, PRETRAIN, EMBEDDING)
EXTRAS: dict[str, Any] = {"lora_dropout": 0.0}


@pytest.fixture(scope="module")
def all_runs(
    tmp_path_factory: pytest.TempPathFactory, tiny_paddle_model: Path, tiny_hf_model: Path
) -> dict[str, Runs]:
    root = tmp_path_factory.mktemp("sharding")
    chats = write_data(root / "chats", rows(23), rows(6, seed=1))
    return {
        SFT: Runs(root / "sft", tiny_paddle_model, chats),
        PRETRAIN: TextRuns(root / "pre", tiny_paddle_model,
                           prepared(root / "texts", texts(24), tiny_hf_model, 0.15), PRETRAIN),
        EMBEDDING: TextRuns(root / "emb", tiny_paddle_model,
                            prepared(root / "queries", queries(30), tiny_hf_model, 0.2), EMBEDDING),
    }  # fmt: skip


def trained(runs: Runs, kind: str, name: str, **changes: Any) -> dict[str, Any]:
    spec = runs.spec(name, EXTRAS, **SHORT, **changes)
    return {"do": "train", "name": f"{NAMES[kind]} {name}", "spec": spec, "setup": kind}


def copied(runs: Runs, kind: str, source: str, name: str) -> dict[str, Any]:
    paths = {"source": str(runs.output(source)), "output": str(runs.output(name))}
    return {"do": "copy", "name": f"{NAMES[kind]} to {name}", **paths, "steps": [MIDDLE]}


WAYS: tuple[dict[str, dict[str, Any]], ...] = (
    {"replicas": {}},
    {"sharded": SHARDED, "plain files": {**SHARDED, **PLAIN}},
)
"""What may follow one another in one process: Paddle cannot go from one to the other."""


@pytest.fixture(scope="module")
def double(all_runs: dict[str, Runs], engine_python: Path) -> dict[str, dict[str, Any]]:
    """Everything that needs two processes, in two starts of the launcher."""
    found: dict[str, dict[str, Any]] = {}
    root = next(iter(all_runs.values())).root
    for number, ways in enumerate(WAYS):
        experiments: list[dict[str, Any]] = []
        for name, changes in ways.items():
            for kind, runs in all_runs.items():
                given = {"gradient_accumulation_steps": 1, **changes}
                experiments += [
                    trained(runs, kind, name, **given),
                    copied(runs, kind, name, f"{name} resumed"),
                    trained(runs, kind, f"{name} resumed", **given),
                ]
        found |= run_lab(engine_python, 2, root / f"two {number}", experiments, LAB)
    return found


@pytest.fixture(scope="module")
def single(
    all_runs: dict[str, Runs], double: dict[str, Any], engine_python: Path, tiny_hf_model: Path
) -> dict[str, dict[str, Any]]:
    """The same on one process, the merges, and what happens to a sharded checkpoint there."""
    experiments: list[dict[str, Any]] = []
    for kind, runs in all_runs.items():
        outcome = "adapter" if kind == SFT else "model"
        folder = runs.root / "merged"
        spec = {
            "stage": "merge",
            "stage_folder": str(folder),
            "base": str(runs.model),
            "hf_folder": str(tiny_hf_model),
            "destination": str(folder / "model"),
            "tolerance": 1e-4,
            "adapter" if kind == SFT else "trained_model": str(runs.output("sharded") / outcome),
        }
        experiments += [
            trained(runs, kind, "one"),
            {"do": "stage", "name": f"{NAMES[kind]} merged", "work": "merge", "spec": spec},
            copied(runs, kind, "sharded", "taken over"),
            trained(runs, kind, "taken over"),
            copied(runs, kind, "replicas", "replica taken over"),
            trained(runs, kind, "replica taken over"),
        ]
    return run_lab(engine_python, 1, next(iter(all_runs.values())).root / "lab1", experiments, LAB)


@pytest.mark.parametrize("name", ["sharded", "plain files", "replicas"])
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_resume_exactly(
    all_runs: dict[str, Runs], double: dict[str, Any], kind: str, name: str
) -> None:
    runs = all_runs[kind]
    whole = runs.curve(name)
    assert sorted(whole) == list(range(1, LAST + 1))
    resumed = runs.curve(f"{name} resumed")
    assert resumed == {step: loss for step, loss in whole.items() if step > MIDDLE}


@pytest.mark.parametrize("name", ["sharded", "plain files", "replicas"])
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_learn_what_one_learns(
    all_runs: dict[str, Runs], single: dict[str, Any], kind: str, name: str
) -> None:
    runs = all_runs[kind]
    one, two = runs.curve("one"), runs.curve(name)
    assert all(two[step] == pytest.approx(one[step], abs=5e-3) for step in one)
    assert two[1] == pytest.approx(one[1], abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_shards_trained_merges(all_runs: dict[str, Runs], single: dict[str, Any], kind: str) -> None:
    found = single[f"{NAMES[kind]} merged"]
    assert found["figures"]["effect_on_logits"] > 0
    assert found["figures"]["max_logit_difference"] <= 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_one_process_refuses_the_checkpoint_of_shards_in_words(
    all_runs: dict[str, Runs], single: dict[str, Any], kind: str
) -> None:
    assert single[f"{NAMES[kind]} taken over"]["code"] == 1
    assert "shared the optimizer" in all_runs[kind].messages("taken over")


@pytest.mark.parametrize("kind", KINDS)
def test_one_process_takes_over_from_replicas(
    all_runs: dict[str, Runs], single: dict[str, Any], kind: str
) -> None:
    runs = all_runs[kind]
    taken, one = runs.curve("replica taken over"), runs.curve("one")
    assert sorted(taken) == list(range(MIDDLE + 1, LAST + 1))
    assert all(taken[step] == pytest.approx(one[step], abs=5e-3) for step in taken)
