"""Out of memory: the run stops with an offer, waits for an answer, or goes on with a smaller plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.events import State
from runtime.run import offer
from runtime.run.layout import RunFolder
from runtime.run.out_of_memory import memory_kills
from runtime.run.status import read_status
from tests.runtime.stand_in_run import events, executions, new_run, reason, states, supervise

pytestmark = pytest.mark.usefixtures("stand_ins")

GPU = "ResourceExhaustedError: \n\nOut of memory error on GPU 0. Cannot allocate 172.000000MB memory"
TRAIN = {
    "size": 8,
    "room": 2,
    "short_from": 3,
    "steps": 6,
    "step_seconds": 0.01,
    "save_steps": 1,
    "out_of_memory": GPU,
}


def training(folder: Path, **changes: Any) -> RunFolder:
    return new_run(folder, prepare={}, train={**TRAIN, **changes}, merge={})


def size_of(path: Path) -> int:
    return int(yaml.safe_load(path.read_text())["stages"]["train"]["size"])


def steps_of(run: RunFolder) -> list[int]:
    return [event.step for event in events(run) if event.kind == "metric"]


def test_by_default_it_stops_and_offers_a_step_that_can_be_accepted(tmp_path: Path) -> None:
    run = training(tmp_path / "run")
    assert supervise(run) == 4
    status = read_status(run)
    assert status.state == "failed"
    assert status.reason == "The GPU ran out of memory."
    assert status.view.error is not None
    assert f"resume {run.root} --accept" in status.view.error.remedy
    assert "device: {'size': 4}." in status.view.error.remedy
    assert size_of(run.plan) == 8, "nothing changed without being asked for"
    assert not run.earlier_plans()
    assert supervise(run, "--accept") == 4, "four are still too many"
    assert size_of(run.plan) == 4
    assert supervise(run, "--accept") == 0
    assert [size_of(path) for path in (*run.earlier_plans(), run.plan)] == [8, 4, 2]
    assert executions(run) == ["prepare", "train", "merge"]
    assert steps_of(run) == [1, 2, 3, 4, 5, 6], "it went on from its checkpoint"


def test_replan_goes_down_by_itself_and_says_so(tmp_path: Path) -> None:
    run = training(tmp_path / "run")
    assert supervise(run, "--on-oom", "replan") == 0
    assert [size_of(path) for path in (*run.earlier_plans(), run.plan)] == [8, 4, 2]
    assert steps_of(run) == [1, 2, 3, 4, 5, 6]
    assert executions(run) == ["prepare", "train", "merge"]
    assert states(run, "prepare").count("started") == 1, "what was proven stays proven"
    announced = [
        event.message for event in events(run) if event.kind == "log" and "Planned again" in event.message
    ]
    assert len(announced) == 2 and "plan-1.yaml" in announced[0] and "plan-2.yaml" in announced[1]
    taken = [event for event in events(run) if isinstance(event, State) and event.state == "replanned"]
    assert [event.figures["changes"] for event in taken if event.figures] == [{"size": 4}, {"size": 2}]
    assert "it goes on from its last checkpoint" in reason(run, "train", "redone")
    assert [metric.step for metric in read_status(run).view.stage("train").metrics] == [1, 2, 3, 4, 5, 6]
    assert read_status(run).state == "finished"
    assert not run.offer.exists()


def test_ask_waits_and_a_plain_resume_goes_on_without_the_offer(tmp_path: Path) -> None:
    run = training(tmp_path / "run", room=4)
    plan = yaml.safe_load(run.plan.read_text())
    run.plan.write_text(yaml.safe_dump({**plan, "on_oom": "ask"}, sort_keys=False))
    assert supervise(run) == 130
    status = read_status(run)
    assert status.state == "waiting"
    assert status.reason.startswith("The GPU ran out of memory. Offered: device: {'size': 4}.")
    offered = offer.load(run)
    assert offered is not None and offered.stage == "train" and not offered.consent
    assert supervise(run) == 130, "the same plan, the same end"
    assert size_of(run.plan) == 8
    assert supervise(run, "--accept") == 0
    assert size_of(run.plan) == 4
    assert steps_of(run) == [1, 2, 3, 4, 5, 6]


def test_what_changes_the_result_is_never_taken_by_itself(tmp_path: Path) -> None:
    run = training(tmp_path / "run", room=0, value=7, size=2)
    assert supervise(run, "--on-oom", "replan") == 130
    assert read_status(run).state == "waiting"
    assert size_of(run.plan) == 1
    offered = offer.load(run)
    assert offered is not None and offered.consent
    assert supervise(run, "--accept") == 4
    assert yaml.safe_load(run.plan.read_text())["stages"]["train"]["value"] == 0
    assert states(run, "train").count("started") == 3
    assert "its earlier files are in" in reason(run, "train", "redone"), "other data: training begins again"
    error = read_status(run).view.error
    assert error is not None and "knows no smaller step" in error.remedy


def test_a_kill_between_keeping_and_replacing_the_plan_harms_nothing(tmp_path: Path) -> None:
    run = training(tmp_path / "run")
    assert supervise(run) == 4
    assert offer.keep_plan(run) == "plan-1.yaml"
    assert offer.keep_plan(run) == "plan-1.yaml", "kept once"
    assert supervise(run, "--on-oom", "replan") == 0
    assert [size_of(path) for path in (*run.earlier_plans(), run.plan)] == [8, 4, 2]
    assert steps_of(run) == [1, 2, 3, 4, 5, 6]


def test_nothing_can_be_accepted_where_nothing_is_offered_or_the_plan_was_edited(tmp_path: Path) -> None:
    run = training(tmp_path / "run")
    assert supervise(run, "--accept") == 2
    assert supervise(run) == 4
    assert offer.load(run) is not None
    run.plan.write_text(run.plan.read_text().replace("size: 8", "size: 6"))
    assert offer.load(run) is None


@pytest.mark.parametrize(
    ("text", "memory"),
    [
        (GPU, "device"),
        ("MemoryError: Unable to allocate 3.1 GiB", "host"),
        ("in evaluation_loop\nResourceExhaustedError: Out of memory error on GPU 0.", "evaluation"),
    ],
)
def test_which_memory_ran_out_is_told_by_the_words_of_the_engine(
    tmp_path: Path, text: str, memory: str
) -> None:
    run = training(tmp_path / "run", out_of_memory=text)
    assert supervise(run) == 4
    offered = offer.load(run)
    assert offered is not None and offered.memory == memory


def test_a_plain_failure_or_a_kill_by_a_person_is_no_lack_of_memory(tmp_path: Path) -> None:
    for name, behaviour in (("failed", {"raise": "no"}), ("killed", {"signal": 9})):
        run = new_run(tmp_path / name, train={"size": 8, **behaviour})
        assert supervise(run, "--on-oom", "replan") == 4
        assert not run.offer.exists() and not run.earlier_plans()
    assert memory_kills() >= 0


def test_an_offer_is_data(tmp_path: Path) -> None:
    run = training(tmp_path / "run")
    assert supervise(run) == 4
    values = json.loads(run.offer.read_text())
    assert values["changes"] == {"size": 4} and values["keeps_checkpoints"] is True
