"""The training stage as real processes: stopped, killed, started again, two at once."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.train_setup import Runs, rows, start, wait_for, write_data

pytestmark = pytest.mark.engine

LAST = 40


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_paddle_model: Path) -> Runs:
    root = tmp_path_factory.mktemp("process")
    return Runs(root, tiny_paddle_model, write_data(root / "data", rows(23), rows(6, seed=1)))


def spec(runs: Runs, name: str, **changes: Any) -> dict[str, Any]:
    steps = {
        "max_steps": LAST,
        "do_eval": False,
        "evaluation_strategy": "no",
        "save_steps": 4,
        "save_total_limit": 3,
    }
    return runs.spec(name, **{**steps, **changes})


def workers_of(launcher: int) -> list[int]:
    """Return the process ids of the launcher's training processes."""
    text = Path(f"/proc/{launcher}/task/{launcher}/children").read_text(encoding="utf-8")
    return [int(number) for number in text.split()]


@pytest.fixture(scope="module")
def whole(runs: Runs, engine_python: Path) -> dict[int, float]:
    """The uninterrupted curve on one process, and on two at the same time on the same machine."""
    one = start(engine_python, 1, spec(runs, "one"))
    two = start(engine_python, 2, spec(runs, "two", gradient_accumulation_steps=1))
    assert (one.wait(240), two.wait(240)) == (0, 0)
    assert runs.curve("one").keys() == runs.curve("two").keys() == set(range(1, LAST + 1))
    return runs.curve("one")


def test_stop_file_saves_and_the_run_continues_exactly(
    runs: Runs, whole: dict[int, float], engine_python: Path
) -> None:
    wanted = spec(runs, "stop file")
    process = start(engine_python, 1, wanted)
    wait_for(lambda: 6 in runs.curve("stop file"))
    (runs.stage("stop file") / "stop").touch()
    assert process.wait(60) == 0
    stopped_at = max(runs.curve("stop file"))
    assert stopped_at < LAST
    assert runs.states("stop file")[-4:] == ["stopping", "saving", "saved", "stopped"]
    assert not (runs.stage("stop file") / "result.json").exists()
    (runs.stage("stop file") / "stop").unlink()
    assert start(engine_python, 1, wanted).wait(240) == 0
    assert runs.curve("stop file") == whole
    resumed = [event["reason"] for event in runs.events("stop file", "state") if event["state"] == "resumed"]
    assert resumed == [f"from checkpoint-{stopped_at}"]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_checkpoint_on_request_changes_nothing_but_is_there(
    runs: Runs, whole: dict[int, float], engine_python: Path, processes: int
) -> None:
    name = f"asked {processes}"
    wanted = spec(runs, name, save_steps=100, gradient_accumulation_steps=2 // processes)
    process = start(engine_python, processes, wanted)
    wait_for(lambda: 6 in runs.curve(name))
    (runs.stage(name) / "save").touch()
    wait_for(lambda: "saved" in runs.states(name))
    assert process.wait(240) == 0
    assert runs.curve(name) == (whole if processes == 1 else runs.curve("two"))
    first, last = runs.checkpoints(name)
    assert 6 <= first < last == LAST
    assert not (runs.stage(name) / "save").exists()


def test_sigterm_to_one_rank_stops_all_at_the_same_step(
    runs: Runs, whole: dict[int, float], engine_python: Path
) -> None:
    wanted = spec(runs, "sigterm", gradient_accumulation_steps=1)
    process = start(engine_python, 2, wanted)
    wait_for(lambda: 6 in runs.curve("sigterm"))
    os.kill(workers_of(process.pid)[1], signal.SIGTERM)
    assert process.wait(60) == 0
    stopped_at = max(runs.curve("sigterm"))
    assert runs.checkpoints("sigterm")[-1] == stopped_at < LAST
    assert runs.states("sigterm")[-1] == "stopped"
    assert start(engine_python, 2, wanted).wait(240) == 0
    assert runs.curve("sigterm") == runs.curve("two")


def test_sigkill_never_blocks_the_next_start(
    runs: Runs, whole: dict[int, float], engine_python: Path
) -> None:
    wanted = spec(runs, "sigkill", save_steps=1)
    saving = runs.output("sigkill") / "saving"
    process = start(engine_python, 1, wanted)
    wait_for(lambda: 5 in runs.curve("sigkill") and saving.exists())
    for worker in workers_left(runs.stage("sigkill")):
        os.kill(worker, signal.SIGKILL)
    process.wait(30)
    process = start(engine_python, 1, wanted)
    wait_for(lambda: 14 in runs.curve("sigkill"))
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    wait_for(lambda: not workers_left(runs.stage("sigkill")), 30)
    assert runs.states("sigkill")[-1] == "stopped", "a worker whose launcher is gone saves and stops"
    assert start(engine_python, 1, wanted).wait(240) == 0
    assert runs.curve("sigkill") == whole
    assert runs.result("sigkill")["figures"]["steps"] == LAST
    assert len(runs.checkpoints("sigkill")) == 3


def workers_left(stage: Path) -> list[int]:
    """Return the processes that still run this stage's specification."""
    left = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(stage / "spec.json") in command:
                left.append(int(entry.name))
    return left


def test_refusal_is_one_sentence_and_a_failing_exit(runs: Runs, engine_python: Path) -> None:
    wanted = spec(runs, "refused", lora_rnk=3)
    assert start(engine_python, 1, wanted).wait(120) != 0
    (error,) = runs.events("refused", "error")
    assert "`lora_rnk` is not a setting" in error["what"]
    assert error["remedy"] == "Did you mean `lora_rank`?"


def test_preflight_takes_all_processes_measures_two_steps_and_keeps_nothing(
    runs: Runs, engine_python: Path
) -> None:
    """What is shared between processes fits only in all of them, so one alone would measure another thing."""
    stage = runs.root / "preflight"
    stage.mkdir()
    sharded = {"sharding": "stage1", "sharding_parallel_degree": 2}
    spec = {
        "stage": "preflight",
        "stage_folder": str(stage),
        "config": str(runs.config("preflight", **sharded)),
        "processes": 2,
        "processes_here": 2,
        "train": {"lora_alpha": 8},
    }
    assert start(engine_python, 2, spec).wait(120) == 0, (stage / "log.txt").read_text()[-3000:]
    assert not (stage / "events-rank1.jsonl").exists(), "one process speaks for both"
    figures = json.loads((stage / "result.json").read_text(encoding="utf-8"))["figures"]
    assert figures["step_seconds"] > 0
    assert figures["peak_memory_bytes"] > 1e8
    assert 0 < figures["longest_row_tokens"] <= 256
    events = [json.loads(line) for line in (stage / "events-rank0.jsonl").read_text().splitlines()]
    steps, memory = [event for event in events if event["kind"] == "proof"]
    assert steps["passed"] and memory["passed"] and "together (2) need" in memory["sentence"]
    assert not list(stage.glob("**/checkpoint-*"))
    assert not (stage / "rehearsal").exists()
