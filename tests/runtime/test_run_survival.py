"""A run survives: kill the worker, the supervisor or both, at any stage, and resume."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from runtime.run.processes import members
from runtime.run.status import read_status
from tests.runtime.stand_in_run import (
    change_plan,
    events,
    executions,
    kill,
    new_run,
    nobody_left,
    reason,
    start,
    states,
    supervise,
    wait_until,
    worker,
)

pytestmark = pytest.mark.usefixtures("stand_ins")

STAGES = ("acquire", "train", "report")


def waiting_at(stage: str, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """A plan whose `stage` waits until the file `go` is there."""
    go = str(tmp_path / "go")
    return {name: {"wait_for": go, "steps": 2} if name == stage else {"value": name} for name in STAGES}


def test_every_stage_runs_once_and_a_second_start_only_verifies(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={}, b={"steps": 3}, c={})
    assert supervise(run) == 0
    assert read_status(run).state == "finished"
    assert supervise(run) == 0
    assert executions(run) == ["a", "b", "c"]
    assert "proven at" in reason(run, "b", "skipped")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("victim", ["worker", "supervisor", "both"])
def test_kill_then_resume(tmp_path: Path, stage: str, victim: str) -> None:
    run = new_run(tmp_path / "run", **waiting_at(stage, tmp_path))
    supervisor = start(run)
    pid = worker(run, stage)
    wait_until(lambda: any(e.kind == "metric" for e in events(run)), "the stage is at work")
    if victim != "worker":
        kill(supervisor.pid)
    if victim != "supervisor":
        kill(pid)
    code = supervisor.wait(60)
    status = read_status(run)
    if victim == "worker":
        assert (code, status.state) == (4, "failed")
        assert "killed from outside (signal 9)" in status.reason
    else:
        assert status.state == "lost"
        assert (pid in status.orphans) == (victim == "supervisor")
    (tmp_path / "go").touch()
    assert supervise(run) == 0
    assert read_status(run).state == "finished"
    assert executions(run) == list(STAGES), "each stage was done exactly once to its end"
    assert states(run, "acquire").count("committed") == 1
    if victim == "worker":
        assert reason(run, stage, "redone") == "it failed last time"
    if victim == "both":
        assert reason(run, stage, "redone") == "it was interrupted"
    assert nobody_left(run)


def test_an_orphan_is_asked_to_save_and_its_events_are_not_lost(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"steps": 60, "step_seconds": 0.1})
    supervisor = start(run)
    wait_until(lambda: any(e.kind == "metric" for e in events(run)), "training")
    kill(supervisor.pid)
    supervisor.wait()
    time.sleep(0.5)  # the orphan goes on, unseen
    assert supervise(run) == 0
    steps = [event.step for event in events(run) if event.kind == "metric"]
    assert steps == list(range(1, 61)), "no step is missing and none was trained twice"
    assert any("run without a supervisor" in e.message for e in events(run) if e.kind == "log")
    assert "saved a checkpoint at step" in " ".join(e.reason for e in events(run) if e.kind == "state")


def test_a_result_that_was_complete_is_accepted_without_doing_it_again(tmp_path: Path) -> None:
    go = tmp_path / "go"
    run = new_run(tmp_path / "run", train={"wait_for": str(go)}, merge={})
    supervisor = start(run)
    pid = worker(run, "train")
    kill(supervisor.pid)
    supervisor.wait()
    go.touch()
    wait_until(lambda: not psutil.pid_exists(pid), "the orphan finished")
    assert supervise(run) == 0
    assert executions(run) == ["train", "merge"]
    assert states(run, "train") == ["started", "committed"]


def test_a_worker_that_dies_after_its_result_has_done_its_work(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={"signal_after_result": int(signal.SIGABRT)}, b={})
    assert supervise(run) == 0
    assert any(
        "complete when its process was ended by SIGABRT" in e.message for e in events(run) if e.kind == "log"
    )


def test_processes_of_a_killed_launcher_are_ended(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"grandchild": True, "wait_for": str(tmp_path / "never")})
    supervisor = start(run)
    pid = worker(run, "train")
    wait_until(lambda: len(members(run.stage("train").root, None)) == 2, "the grandchild runs")
    kill(pid)
    assert supervisor.wait(60) == 4
    assert nobody_left(run)


def test_a_second_supervisor_is_refused(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={"wait_for": str(tmp_path / "go")})
    supervisor = start(run)
    worker(run, "a")
    assert supervise(run) == 2
    (tmp_path / "go").touch()
    assert supervisor.wait(60) == 0
    assert executions(run) == ["a"]


def test_a_supervisor_pid_that_now_belongs_to_somebody_else_is_not_running(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={"wait_for": str(tmp_path / "go")})
    supervisor = start(run)
    kill(worker(run, "a"), supervisor.pid)
    supervisor.wait()
    text = run.supervisor.read_text().replace(str(supervisor.pid), str(os.getpid()))
    run.supervisor.write_text(text)
    assert read_status(run).state == "lost"


@pytest.mark.parametrize("harm", ["change", "remove"])
def test_an_output_that_changed_is_made_again_and_so_is_what_depends_on_it(tmp_path: Path, harm: str) -> None:
    run = new_run(tmp_path / "run", a={}, b={}, c={})
    assert supervise(run) == 0
    output = run.stage("b").root / "output" / "data.txt"
    if harm == "change":
        output.write_text("something else")
    else:
        output.unlink()
    assert supervise(run) == 0
    assert executions(run) == ["a", "b", "c", "b"], "b gave the same bytes again, so c still holds"
    assert reason(run, "b", "redone").endswith(
        "changed since it was proven" if harm == "change" else "is gone"
    )


def test_a_changed_plan_redoes_the_stage_and_those_after_it_and_says_what_changed(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={}, b={"value": 1}, c={})
    assert supervise(run) == 0
    change_plan(run, a={}, b={"value": 2}, c={})
    assert supervise(run) == 0
    assert executions(run) == ["a", "b", "c", "b", "c"]
    assert reason(run, "b", "redone").startswith("its settings changed: value 1 -> 2")
    assert reason(run, "c", "redone").startswith("its input changed: b.output")


def test_checkpoints_are_kept_for_the_same_task_and_set_aside_for_another(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"steps": 4, "raise": "boom"})
    checkpoint = run.stage("train").root / "checkpoint"
    assert supervise(run) == 4
    checkpoint.write_text("2")
    assert supervise(run) == 4
    steps = [event.step for event in events(run) if event.kind == "metric"]
    assert steps == [1, 2, 3, 4, 3, 4], "the second attempt continued at the checkpoint"
    change_plan(run, train={"steps": 4, "value": 9})
    assert supervise(run) == 0
    assert not checkpoint.exists(), "a checkpoint of other settings is not continued"
    assert "its earlier files are in" in reason(run, "train", "redone")
    assert len(list(run.stage("train").attempts.glob("*/checkpoint"))) == 1


def test_a_moved_run_folder_still_holds(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={}, b={})
    assert supervise(run) == 0
    moved = type(run)(run.root.rename(tmp_path / "elsewhere"))
    assert supervise(moved) == 0
    assert executions(moved) == ["a", "b"]


def test_a_run_with_a_corrupt_journal_refuses_to_go_on(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={}, b={})
    assert supervise(run) == 0
    lines = run.journal.read_bytes().splitlines(keepends=True)
    run.journal.write_bytes(lines[0] + b"garbage\n" + b"".join(lines[1:]))
    assert supervise(run) == 2
    assert f"{run.journal}, line 2: not a valid event." in run.supervisor_log.read_text()
    run.journal.write_bytes(b"".join(lines))
    assert supervise(run) == 0
    assert executions(run) == ["a", "b"]


def test_a_journal_that_lost_its_end_redoes_only_what_is_not_proven(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={}, b={})
    assert supervise(run) == 0
    lines = run.journal.read_bytes().splitlines(keepends=True)
    committed = next(i for i, line in enumerate(lines) if b'"b"' in line and b"committed" in line)
    run.journal.write_bytes(b"".join(lines[:committed]) + lines[committed][:50])
    assert supervise(run) == 0
    assert executions(run) == ["a", "b"], "the result of b was still complete"
    assert any("cut short by a crash" in e.message for e in events(run) if e.kind == "log")
