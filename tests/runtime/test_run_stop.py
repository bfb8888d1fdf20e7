"""Stopping: graceful first, at once on the second request, every step announced, and always resumable."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from runtime.run import stopping
from runtime.run.status import read_status
from runtime.run.stopping import request
from tests.runtime.stand_in_run import (
    events,
    executions,
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


@pytest.mark.parametrize("how", ["request", "SIGTERM", "SIGINT", "SIGHUP"])
def test_the_first_request_saves_a_checkpoint_and_resume_continues_from_it(tmp_path: Path, how: str) -> None:
    run = new_run(tmp_path / "run", train={"steps": 40, "step_seconds": 0.1, "stop_seconds": 60}, merge={})
    supervisor = start(run)
    wait_until(lambda: any(e.kind == "metric" for e in events(run)), "training")
    if how == "request":
        request(run)
    else:
        os.kill(supervisor.pid, signal.Signals[how])
    assert supervisor.wait(60) == 130
    assert read_status(run).state == "stopped"
    assert reason(run, "train", "stopped").startswith("its checkpoint is saved: checkpoint of")
    assert supervise(run) == 0
    assert reason(run, "train", "redone") == "it was stopped before its end"
    steps = [event.step for event in events(run) if event.kind == "metric"]
    assert steps == list(range(1, 41)), "continued where it stopped"
    assert executions(run) == ["train", "merge"]


def test_the_second_request_terminates_and_the_third_kills(tmp_path: Path) -> None:
    behaviour = {
        "wait_for": str(tmp_path / "never"),
        "ignore_sigterm": True,
        "grandchild": True,
        "stop_seconds": 60,
    }
    run = new_run(tmp_path / "run", train=behaviour)
    supervisor = start(run)
    worker(run, "train")
    wait_until(lambda: "hello" in run.stage("train").log.read_text(), "the worker is up")
    for level, announced in enumerate(("gracefully", "SIGTERM", "SIGKILL"), 1):
        assert request(run) == level
        wait_until(lambda: states(run, "train").count("stopping") >= level, f"request {level} was heard")  # noqa: B023
        assert announced in reason(run, "train", "stopping")
    assert supervisor.wait(60) == 130
    assert reason(run, "train", "stopped") == "it was ended at once"
    assert nobody_left(run)


def test_a_stage_that_does_not_react_is_ended_step_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    behaviour = {"wait_for": str(tmp_path / "never"), "ignore_sigterm": True, "stop_seconds": 0.3}
    run = new_run(tmp_path / "run", merge=behaviour)
    supervisor = start(run)
    worker(run, "merge")
    wait_until(lambda: "hello" in run.stage("merge").log.read_text(), "the worker is up")
    request(run)
    assert supervisor.wait(60) == 130
    announced = [e.reason for e in events(run) if e.kind == "state" and e.state == "stopping"]
    assert ["gracefully" in announced[0], "SIGTERM" in announced[1], "SIGKILL" in announced[2]] == [True] * 3
    assert f"within {stopping.KILL_AFTER_SECONDS:.0f} s" in announced[2]


def test_a_stage_that_finishes_while_being_stopped_still_counts(tmp_path: Path) -> None:
    go = tmp_path / "go"
    run = new_run(tmp_path / "run", a={"wait_for": str(go), "stop_seconds": 60}, b={})
    supervisor = start(run)
    worker(run, "a")
    request(run)
    wait_until(lambda: "stopping" in states(run, "a"), "the request was heard")
    go.touch()
    assert supervisor.wait(60) == 130
    assert states(run, "a")[-1] == "committed"
    assert supervise(run) == 0
    assert executions(run) == ["a", "b"]


def test_until_ends_after_that_stage_with_success(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", a={}, b={}, c={})
    assert supervise(run, "--until", "b") == 0
    assert executions(run) == ["a", "b"]
    status = read_status(run)
    assert (status.state, status.reason) == ("stopped", "ended after b, as asked")
    assert supervise(run) == 0
    assert executions(run) == ["a", "b", "c"]
