"""The rehearsal before a long run: two steps, a kill, a resume and a merge, by the run's own commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.wishes import Value
from runtime.events import Proof
from runtime.run.layout import RunFolder
from runtime.run.status import read_status
from runtime.run.task import StageTask, build_table
from runtime.stages.rehearsed import rehearsed, shortened
from tests.runtime import train_table
from tests.runtime.stand_in_run import events, nobody_left
from tests.runtime.test_run_memory_real import folder, new_training, supervised

__all__ = ["folder"]


def rehearsing(folder: Path, model: Path, **pins: Value) -> RunFolder:
    (folder / "hf").symlink_to(model)
    return new_training(
        folder, "run", model, rehearsal=True, per_device_train_batch_size=2, lora_dropout=0.1, **pins
    )


@pytest.mark.engine
@pytest.mark.slow
def test_a_long_run_first_shows_that_it_can_be_killed_resumed_and_merged(
    folder: Path, tiny_hf_model: Path, engine_python: Path
) -> None:
    run = rehearsing(folder, tiny_hf_model)
    assert supervised(run) == 0, read_status(run).reason
    proofs = {event.name: event for event in events(run) if isinstance(event, Proof)}
    assert set(proofs) == {"preflight.steps", "preflight.memory", "preflight.resume", "preflight.merge"}
    assert all(proof.passed for proof in proofs.values())
    assert proofs["preflight.resume"].measured["difference"] == 0.0
    assert "from checkpoint-1" in proofs["preflight.resume"].sentence
    assert not (run.stage("preflight").root / "rehearsal").exists(), "nothing of it is kept"
    assert nobody_left(run)


@pytest.mark.engine
@pytest.mark.slow
def test_a_checkpoint_that_does_not_hold_its_state_is_found_out(
    folder: Path, tiny_hf_model: Path, engine_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = rehearsing(folder, tiny_hf_model)
    task = build_table(run).task("preflight", {})
    assert "full_rehearsal" in task.command
    # The training that resumes is given another seed than the one that was killed: as wrong as a lost state.
    worker = folder / "start.py"
    real = task.spec["rehearsal"]["train"]["command"]
    start = next(word for word in real if word.endswith("start.py"))
    worker.write_text(
        "import json, pathlib, runpy, sys\n"
        "spec = json.loads(pathlib.Path(sys.argv[2]).read_text())\n"
        "config = pathlib.Path(spec['config'])\n"
        "values = json.loads(config.read_text())\n"
        "if (pathlib.Path(values['output_dir']) / 'checkpoint-1').exists():\n"
        "    config.write_text(json.dumps(values | {'seed': 99}))\n"
        f"sys.argv[0] = {start!r}\n"
        f"runpy.run_path({start!r}, run_name='__main__')\n"
    )
    part = task.spec["rehearsal"]["train"]
    part["command"] = [str(worker) if word == start else word for word in real]
    monkeypatch.setattr("tests.runtime.train_table.preflight", lambda table, done: task)
    assert supervised(run) == 4
    failed = [event for event in events(run) if isinstance(event, Proof) and not event.passed]
    assert [proof.name for proof in failed] == ["preflight.resume"]
    assert "preflight.resume" in read_status(run).reason


def test_the_rehearsed_stages_are_the_runs_own_in_another_folder(
    folder: Path, tiny_hf_model: Path, engine_python: Path
) -> None:
    run = rehearsing(folder, tiny_hf_model)
    task = build_table(run).task("preflight", {})
    own = str(run.stage("train").root)
    assert task.proofs[-2:] == ("preflight.resume", "preflight.merge")
    part = task.spec["rehearsal"]["train"]
    assert own not in json.dumps(part), "nothing of it touches the training itself"
    assert part["folder"] == str(run.stage("preflight").root / "rehearsal" / "train")
    config = json.loads(part["files"]["config.json"])
    assert (config["max_steps"], config["save_steps"], config["per_device_train_batch_size"]) == (2, 1, 2)
    assert config["output_dir"].startswith(part["folder"])
    assert part["spec"]["extras"]["tracker"] == "none"
    assert task.spec["measure"][-2] == "preflight", "what is measured as ever"


def test_a_config_is_shortened_in_its_own_format() -> None:
    text = shortened("config.yaml", "max_steps: 900\nevaluation_strategy: steps\nlora: true\n")
    assert "max_steps: 2" in text and "evaluation_strategy: 'no'" in text and "lora: true" in text
    values = json.loads(shortened("config.json", '{"max_steps": 900, "lora": true}'))
    assert values["max_steps"] == 2 and values["lora"] is True and "do_eval" not in values


def test_without_a_merge_only_the_resume_is_rehearsed(tmp_path: Path) -> None:
    def task(stage: str) -> StageTask:
        spec = {"stage_folder": str(tmp_path / "stages" / stage)}
        return StageTask(stage=stage, command=("python", "start.py", stage), spec=spec)

    found = rehearsed(
        task("preflight"), task("train"), None, python="python", start="start.py", on_device=True
    )
    assert found.proofs == ("preflight.resume",)
    assert "merge" not in found.spec["rehearsal"]
    assert found.spec["rehearsal"]["tolerance"] > 0


def test_the_table_of_these_tests_follows_the_plan(folder: Path, tiny_hf_model: Path) -> None:
    assert build_table(rehearsing(folder, tiny_hf_model)).stages == ("preflight",)
    assert train_table.NAME
