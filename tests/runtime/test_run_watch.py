"""What a run notices by itself: a broken, dead or exploding loss, standstill, a frozen rank, a full disk."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from runtime.events import Metric, Progress
from runtime.run.layout import RunFolder
from runtime.run.loss_watch import LossWatch
from runtime.run.status import read_status
from runtime.run.watchdog import Watchdog
from tests.runtime.stand_in_run import (
    events,
    new_run,
    nobody_left,
    start,
    states,
    supervise,
    wait_until,
    worker,
)

pytestmark = pytest.mark.usefixtures("stand_ins")


def training(folder: Path, losses: list[Any], **behaviour: Any) -> RunFolder:
    steps = {"steps": len(losses) + 100, "step_seconds": 0.02, **behaviour}
    return new_run(folder, train={"losses": losses, **steps}, merge={})


def warnings(run: RunFolder) -> list[str]:
    return [event.message for event in events(run) if event.kind == "log" and event.level == "warning"]


def test_a_loss_that_stays_no_number_ends_the_training_and_names_the_last_good_step(tmp_path: Path) -> None:
    run = training(tmp_path / "run", [5.0, 4.0, "nan", 3.0, *["nan"] * 40], save_steps=1)
    assert supervise(run) == 4
    status = read_status(run)
    assert status.reason == "The loss is no number any more, 3 times in a row."
    error = status.view.stage("train").error
    assert error is not None
    assert error.why == "Step 4 was the last with a number."
    assert "lower learning_rate" in error.remedy
    assert warnings(run)[0].startswith("The loss of step 3 is no number.")
    assert nobody_left(run)


def test_a_loss_of_zero_from_the_start_ends_it_and_one_that_became_zero_is_said(tmp_path: Path) -> None:
    run = training(tmp_path / "masked", [0.0] * 40)
    assert supervise(run) == 4
    assert read_status(run).reason == "The loss is exactly 0 from the first step on: nothing is learned."
    learned = training(tmp_path / "learned", [2.0, 0.5, 0.0, 0.0, 0.0, 0.0], steps=6)
    assert supervise(learned) == 0
    (told,) = warnings(learned)
    assert told.startswith("The loss is exactly 0 since step 3. The rows are known by heart")


def test_an_explosion_is_said_and_left_to_the_person(tmp_path: Path) -> None:
    run = training(tmp_path / "run", [2.0, 1.5, 1.2, 1.0, 30.0, 60.0, 90.0], steps=7)
    assert supervise(run) == 0
    assert any(text.startswith("The loss explodes: about ") for text in warnings(run))


@pytest.mark.parametrize(
    ("losses", "spoken"),
    [
        ([12.0, 9.0, 6.0, 3.0, 2.0, 1.0, 0.5, 0.2], 0),
        ([2.0, 3.5, 1.8, 3.9, 1.5, 2.9, 1.2, 3.0], 0),
        ([0.02, 0.01, 0.3, 0.02, 0.01, 0.5], 0),
        ([2.0, 1.0, 10.4, 10.9, 11.0, 10.8, 10.9, 10.7], 1),
        ([1.0, 8.0, 20.0, 60.0, 200.0, 700.0], 6),
    ],
    ids=["falls", "noisy", "known by heart", "back to guessing", "grows"],
)
def test_when_a_loss_has_exploded(losses: list[float], spoken: int) -> None:
    watch = LossWatch()
    found = [
        watch.take(Metric(t=0, stage="train", step=n, values={"loss": x})) for n, x in enumerate(losses, 1)
    ]
    count = sum(one is not None for one in found)
    assert (count == spoken) if spoken < 2 else (2 <= count <= spoken)


@pytest.mark.parametrize(
    ("losses", "spoken_at"),
    [
        ([5.9, 6.1, *[5.55682945, 5.55682898] * 10], [13]),
        ([5.9, *[5.5, 5.5003] * 10], []),
        ([5.9, *[5.5] * 10, 5.4, *[5.5] * 8], []),
    ],
    ids=["seen at a learning rate of 1000", "moves a little", "moves in time"],
)
def test_when_a_loss_stands_still(losses: list[float], spoken_at: list[int]) -> None:
    watch = LossWatch()
    told = {
        n: watch.take(Metric(t=0, stage="train", step=n, values={"loss": x})) for n, x in enumerate(losses, 1)
    }
    spoken = {n: one for n, one in told.items() if one}
    assert list(spoken) == spoken_at
    assert all("stands still" in one.what and not one.fatal for one in spoken.values())


def test_a_stage_that_speaks_but_does_not_get_on_is_told_from_one_that_is_silent(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", train={"chatter": 60, "silence_seconds": 0.8})
    assert supervise(run) == 0
    told = next(text for text in warnings(run) if "No progress" in text)
    assert told.startswith("No progress: it speaks, but stands at 1 of 2 for ")
    assert not any("Stalled?" in text for text in warnings(run))


def test_progress_of_another_kind_counts_as_progress() -> None:
    clock = [0.0]
    dog = Watchdog(10, lambda: "busy", lambda: clock[0])

    def at(seconds: float, done: float, message: str) -> str:
        clock[0] = seconds
        dog.note_event([Progress(t=0, stage="a", done=done, total=4, unit="steps", message=message)])
        return dog.check()

    assert at(0, 1, "loading") == ""
    assert at(19, 1, "writing") == ""
    assert at(38, 1, "writing") == ""
    assert "stands at 1 of 4 for 40 s" in at(59, 1, "writing")
    assert at(60, 1, "writing") == "", "once"
    assert at(61, 2, "writing") == ""


def test_a_frozen_process_is_named_with_what_to_do(tmp_path: Path) -> None:
    run = new_run(
        tmp_path / "run",
        train={
            "steps": 4000,
            "step_seconds": 0.01,
            "silence_seconds": 2.0,
            "environment": {"PADDLE_TRAINER_ID": "3"},
        },
    )
    supervisor = start(run)
    pid = worker(run, "train")
    wait_until(lambda: any(event.kind == "metric" for event in events(run)), "it trains")
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: any("is stopped (SIGSTOP)" in text for text in warnings(run)), "it is noticed")
    told = next(text for text in warnings(run) if "SIGSTOP" in text)
    assert told.startswith(f"rank 3 (pid {pid}) is stopped") and f"kill -CONT {pid}" in told
    os.kill(pid, signal.SIGCONT)
    run.stop_requests.write_text('{"t": 1}\n')
    assert supervisor.wait(60) == 130


def test_a_disk_that_fills_up_pauses_the_training_and_resume_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = tmp_path / "free"
    free.write_text(str(5 << 30))
    monkeypatch.setenv("STEERSMAN_TEST_FREE_BYTES", str(free))
    run = training(tmp_path / "run", [], steps=400, reserve_bytes=256 << 20)
    checkpoint = run.stage("train").root / "output" / "checkpoint-1"
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_bytes(b"0" * (8 << 20))
    supervisor = start(run)
    wait_until(lambda: any(event.kind == "metric" for event in events(run)), "it trains")
    free.write_text(str(265 << 20))
    assert supervisor.wait(60) == 130
    status = read_status(run)
    assert status.state == "paused"
    assert "the disk is almost full: 265 MiB are left" in status.reason
    assert "272 MiB are kept free" in status.reason, "two checkpoints and the reserve"
    assert states(run, "train")[-1] == "stopped" and "saved" in states(run, "train")
    free.write_text(str(5 << 30))
    assert supervise(run) == 0
    assert [event.step for event in events(run) if event.kind == "metric"] == list(range(1, 401))
