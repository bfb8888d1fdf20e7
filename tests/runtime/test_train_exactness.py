"""A resumed run equals the uninterrupted one, whatever was torn; and the naive way does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runtime.train_setup import Runs, rows, run_lab, write_data

pytestmark = pytest.mark.engine

LAST = 12
STEPS_PER_EPOCH = 5
TORN = {
    "model": "peft_model-*",
    "model_index": "peft_model.safetensors.index.json",
    "optimizer": "optimizer-*",
    "scheduler": "scheduler.pdparams",
    "trainer_state": "trainer_state.json",
    "rng": "rng_state.pth",
    "manifest": "manifest.json",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_paddle_model: Path) -> Runs:
    root = tmp_path_factory.mktemp("exact")
    return Runs(root, tiny_paddle_model, write_data(root / "data", rows(23), rows(6, seed=1)))


def train(
    runs: Runs, name: str, patch: str = "", extras: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    spec = runs.spec(name, extras, **changes)
    return {"do": "train", "name": name, "spec": spec, "patch": patch}


def copy(
    runs: Runs, source: str, name: str, steps: list[int], damage: str = "", how: str = ""
) -> dict[str, Any]:
    paths = {"source": str(runs.output(source)), "output": str(runs.output(name))}
    return {"do": "copy", "name": f"copy to {name}", **paths, "steps": steps, "damage": damage, "how": how}


@pytest.fixture(scope="module")
def single(runs: Runs, engine_python: Path) -> dict[str, dict[str, Any]]:
    """Every experiment that needs one process, in one process."""
    full = {"lora": False, "zero_padding": False, "unified_checkpoint": False, "learning_rate": 1e-3}
    naive = {"patch": "upstream_sampler", "evaluation_strategy": "no", "do_eval": False}
    experiments = [train(runs, "whole")]
    for step in (3, STEPS_PER_EPOCH, 8):
        experiments += [copy(runs, "whole", f"from {step}", [step]), train(runs, f"from {step}")]
    experiments += [
        train(runs, "again"),
        {"do": "forget", "name": "forget", "result": str(runs.stage("again") / "result.json")},
    ]
    experiments += [{**train(runs, "again"), "name": "again, again"}]
    for victim, pattern in TORN.items():
        for how in ("remove", "cut"):
            name = f"torn {victim} {how}"
            experiments += [copy(runs, "whole", name, [7, 8], pattern, how), train(runs, name)]
    experiments += [train(runs, "rotated", save_total_limit=2)]
    experiments += [
        train(runs, "full", **full),
        copy(runs, "full", "full from 8", [8]),
        train(runs, "full from 8", **full),
    ]
    experiments += [
        train(runs, "naive", **naive),
        copy(runs, "naive", "naive from 8", [8]),
        train(runs, "naive from 8", **naive),
    ]
    experiments += [train(runs, "tracker", patch="exploding_tracker")]
    experiments += [
        train(
            runs, "no tracker folder", extras={"tracker": "swanlab-offline", "tracker_folder": "/dev/null/x"}
        )
    ]
    experiments += [train(runs, "unpacked", zero_padding=False, max_steps=1)]
    experiments += [train(runs, "packed", max_steps=1, per_device_eval_batch_size=1)]
    return run_lab(engine_python, 1, runs.root / "lab", experiments)


@pytest.mark.parametrize(
    "step", [3, STEPS_PER_EPOCH, 8], ids=["first epoch", "border of an epoch", "later epoch"]
)
def test_resumed_curve_equals_the_uninterrupted_one(runs: Runs, single: dict[str, Any], step: int) -> None:
    whole, resumed = runs.curve("whole"), runs.curve(f"from {step}")
    assert sorted(whole) == list(range(1, LAST + 1))
    assert resumed == {number: loss for number, loss in whole.items() if number > step}
    assert runs.result("whole")["figures"]["eval_loss"] == runs.result(f"from {step}")["figures"]["eval_loss"]


def test_totals_survive_a_resume(runs: Runs, single: dict[str, Any]) -> None:
    whole, resumed = runs.result("whole")["figures"], runs.result("from 8")["figures"]
    assert resumed["train_loss"] == pytest.approx(whole["train_loss"])
    assert resumed["tokens"] == whole["tokens"]
    assert resumed["steps"] == LAST


def test_full_training_resumes_exactly_too(runs: Runs, single: dict[str, Any]) -> None:
    assert runs.curve("full from 8") == {step: loss for step, loss in runs.curve("full").items() if step > 8}
    assert (Path(runs.result("full")["outputs"]["model"]) / "config.json").exists()


def test_upstreams_own_sampler_does_not_resume_exactly(runs: Runs, single: dict[str, Any]) -> None:
    resumed, whole = runs.curve("naive from 8"), runs.curve("naive")
    assert resumed.keys() == {step for step in whole if step > 8}
    assert any(abs(resumed[step] - whole[step]) > 1e-3 for step in resumed)


def test_every_step_has_whole_micro_batches_only(single: dict[str, Any]) -> None:
    assert single["whole"]["micro_batches"] == [2] * LAST
    assert max(single["naive"]["micro_batches"]) > 2, (
        "upstream leaks the left-over micro-batch into the next step"
    )


def test_left_over_micro_batches_do_not_inflate_the_loss(runs: Runs, single: dict[str, Any]) -> None:
    ours, naive = runs.curve("whole"), runs.curve("naive")
    assert max(ours.values()) <= ours[1] * 1.1
    assert max(naive.values()) > naive[1] * 1.3


def test_finished_run_started_again_does_not_train(runs: Runs, single: dict[str, Any]) -> None:
    assert single["again, again"] == {"name": "again, again", "code": 0, "micro_batches": []}
    assert runs.result("again")["figures"]["steps"] == LAST
    assert runs.result("again")["figures"]["train_loss"] == pytest.approx(
        runs.result("whole")["figures"]["train_loss"]
    )
    assert (runs.output("again") / "adapter" / "lora_config.json").exists()


@pytest.mark.parametrize("how", ["remove", "cut"])
@pytest.mark.parametrize("victim", TORN)
def test_torn_checkpoint_is_passed_over(runs: Runs, single: dict[str, Any], victim: str, how: str) -> None:
    name = f"torn {victim} {how}"
    assert single[f"copy to {name}"]["victims"], "the experiment damaged nothing"
    assert single[name]["code"] == 0
    assert runs.curve(name) == {step: loss for step, loss in runs.curve("whole").items() if step > 7}
    assert "checkpoint-8 is incomplete" in runs.messages(name)


def test_old_checkpoints_are_removed_on_one_process(runs: Runs, single: dict[str, Any]) -> None:
    assert runs.checkpoints("rotated") == [LAST - 1, LAST]


def test_failing_tracker_is_a_warning(runs: Runs, single: dict[str, Any]) -> None:
    for name in ("tracker", "no tracker folder"):
        assert single[name]["code"] == 0
        assert runs.curve(name) == runs.curve("whole")
        assert "tracker" in runs.messages(name)


def test_packing_does_not_change_the_loss_per_token(runs: Runs, single: dict[str, Any]) -> None:
    packed, unpacked = (runs.events(name, "metric")[-1]["values"] for name in ("packed", "unpacked"))
    assert packed["eval_loss"] == pytest.approx(unpacked["eval_loss"], abs=2e-3)


@pytest.fixture(scope="module")
def double(runs: Runs, single: dict[str, Any], engine_python: Path) -> dict[str, dict[str, Any]]:
    """Experiments on two data-parallel processes: the same rows per step as on one."""
    halved = {"gradient_accumulation_steps": 1, "extras": {"lora_dropout": 0.0}}
    experiments = [train(runs, "two", gradient_accumulation_steps=1)]
    for step in (3, 8):
        experiments += [copy(runs, "two", f"two from {step}", [step])]
        experiments += [train(runs, f"two from {step}", gradient_accumulation_steps=1)]
    experiments += [train(runs, "two, no dropout", **halved)]
    return run_lab(engine_python, 2, runs.root / "lab2", experiments)


@pytest.mark.parametrize("step", [3, 8], ids=["first epoch", "later epoch"])
def test_two_processes_resume_exactly(runs: Runs, double: dict[str, Any], step: int) -> None:
    whole = runs.curve("two")
    assert sorted(whole) == list(range(1, LAST + 1))
    assert runs.curve(f"two from {step}") == {number: loss for number, loss in whole.items() if number > step}


def test_two_processes_train_on_the_same_rows_as_one(
    runs: Runs, double: dict[str, Any], engine_python: Path
) -> None:
    spec = {"one, no dropout": train(runs, "one, no dropout", extras={"lora_dropout": 0.0})}
    run_lab(engine_python, 1, runs.root / "lab3", list(spec.values()))
    one, two = runs.curve("one, no dropout"), runs.curve("two, no dropout")
    assert one.keys() == two.keys()
    assert all(two[step] == pytest.approx(one[step], abs=1e-4) for step in one)
    tokens = [runs.result(name)["figures"]["tokens"] for name in ("one, no dropout", "two, no dropout")]
    assert tokens[0] == tokens[1]
