"""Pause and a checkpoint on request: what is asked for, what the journal says, what resume makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.errors import BadInput
from runtime.run.saving import request_checkpoint
from runtime.run.status import read_status
from runtime.run.stopping import is_pause, pause, request, requests
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


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))


def test_a_paused_run_frees_the_machine_and_continues_where_it_was(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"steps": 40, "step_seconds": 0.1, "stop_seconds": 60}, merge={})
    supervisor = start(run)
    wait_until(lambda: any(e.kind == "metric" for e in events(run)), "training")
    pause(run)
    assert supervisor.wait(60) == 130
    status = read_status(run)
    assert (status.state, status.view.state) == ("paused", "paused")
    assert "checkpoint" in status.reason
    assert nobody_left(run)
    assert supervise(run) == 0
    assert read_status(run).state == "finished"
    assert [event.step for event in events(run) if event.kind == "metric"] == list(range(1, 41))
    assert executions(run) == ["train", "merge"]


def test_asking_again_to_pause_does_not_press(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={})
    for _ in range(3):
        pause(run)
    assert (requests(run), is_pause(run)) == (1, True)


def test_a_stop_after_a_pause_is_a_graceful_stop_and_the_next_one_ends_it(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={})
    pause(run)
    assert request(run) == 1
    assert not is_pause(run)
    assert request(run) == 2


def test_a_checkpoint_on_request_does_not_end_anything(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"steps": 30, "step_seconds": 0.1})
    supervisor = start(run)
    wait_until(lambda: any(e.kind == "metric" for e in events(run)), "training")
    request_checkpoint(run)
    wait_until(lambda: "saved" in states(run, "train"), "saved")
    assert read_status(run).state == "running"
    assert not run.stage("train").save.exists()
    assert supervisor.wait(60) == 0
    assert reason(run, "train", "saved").startswith("step ")
    assert [event.step for event in events(run) if event.kind == "metric"] == list(range(1, 31))


def test_only_training_is_asked_for_a_checkpoint(tmp_path: Path) -> None:
    go = tmp_path / "go"
    run = new_run(tmp_path / "run", convert={"wait_for": str(go)})
    with pytest.raises(BadInput, match="is not running, so there is nothing to save"):
        request_checkpoint(run)
    supervisor = start(run)
    worker(run, "convert")
    wait_until(lambda: states(run, "convert"), "it began")
    with pytest.raises(BadInput, match="Only training has checkpoints, and run is at: convert"):
        request_checkpoint(run)
    go.touch()
    assert supervisor.wait(60) == 0
