"""A plan that only the toolkit's scripts run is refused before anything starts, with the way to run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.errors import BadInput
from planner.facts import DataFacts, Facts, HardwareFacts
from planner.planfile import dumps
from planner.solve import make_plan
from planner.wishes import Wishes
from runtime.run import this_machine
from tests.planner.scenes import SHORT, facts
from tests.tui.test_command_line import steersman


@pytest.mark.parametrize("extra", [(), ("--dry-run",)])
def test_a_stage_that_steersman_does_not_run_is_refused(tmp_path: Path, extra: tuple[str, ...]) -> None:
    plan = make_plan(
        facts("qwen2.5-7b-instruct", SHORT, "8x A100-80G"), Wishes(stage="quantise"), alternatives=False
    )
    path = tmp_path / "plan.yaml"
    path.write_text(dumps(plan, path.name), encoding="utf-8")
    done = steersman("run", str(path), "--run", str(tmp_path / "run"), *extra, home=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "and this plan is for stage quantise" in " ".join(done.stderr.split())
    assert "launch.sh" in done.stderr
    assert not (tmp_path / "run").exists()


SERVER = "8x A100-80G nvlink"


def refused(plan_facts: Facts, wishes: Wishes, tmp_path: Path, *extra: str) -> str:
    """Return the sentence with which a run of the plan is refused before there is a run."""
    path = tmp_path / "plan.yaml"
    path.write_text(dumps(make_plan(plan_facts, wishes, alternatives=False), path.name), encoding="utf-8")
    done = steersman("run", str(path), "--run", str(tmp_path / "run"), *extra, home=tmp_path)
    assert done.returncode == 2, done.stderr
    assert not (tmp_path / "run").exists()
    return " ".join(done.stderr.split())


def test_several_machines_of_the_other_engine_are_for_its_own_scripts(tmp_path: Path) -> None:
    wishes = Wishes(pins={"engine": "paddleformers"})
    sentence = refused(facts("llama-3.1-8b-instruct", SHORT, "2 nodes x 8 H800 ib 400"), wishes, tmp_path)
    assert "on one machine, and this plan is for 2" in sentence and "launch.sh" in sentence


def test_preferences_are_not_learned_in_a_pipeline(tmp_path: Path) -> None:
    wishes = Wishes(stage="dpo", pins={"pipeline_parallel_degree": 2, "engine": "paddlenlp"})
    sentence = refused(facts("llama-3.1-8b-instruct", SHORT, SERVER), wishes, tmp_path)
    assert "does not train stage dpo with paddlenlp in a pipeline" in sentence and "launch.sh" in sentence


def test_of_several_machines_each_must_know_which_it_is(tmp_path: Path) -> None:
    plan = facts("smollm2-135m-instruct", SHORT, "2 machines, each 2 amd cores 16g")
    assert "nothing says which of them this is" in refused(plan, Wishes(), tmp_path)
    sentence = refused(plan, Wishes(), tmp_path, "--master", "127.0.0.1", "--machine-rank", "0")
    assert "'127.0.0.1' is no address" in sentence
    sentence = refused(plan, Wishes(), tmp_path, "--master", "192.0.2.1:29300", "--machine-rank", "0")
    assert (
        "cannot listen at 192.0.2.1:29300" in sentence and "--master is the address of machine 0" in sentence
    )
    alone = facts("smollm2-135m-instruct", SHORT, "8 cores 32g")
    assert "The plan is for one machine" in refused(alone, Wishes(), tmp_path, "--machine-rank", "1")


def test_data_that_were_only_described_cannot_be_trained_on(tmp_path: Path) -> None:
    described: DataFacts = SHORT.model_copy(update={"typed": True})
    sentence = refused(facts("smollm2-135m-instruct", described, "8 cores 32g"), Wishes(), tmp_path)
    assert "made for data that were described" in sentence and "--data FILE" in sentence


def test_devices_that_are_elsewhere_are_missed_before_anything_is_fetched(tmp_path: Path) -> None:
    sentence = refused(facts("llama-3.1-8b-instruct", SHORT, SERVER), Wishes(), tmp_path)
    assert "is for 8 x A100" in sentence and "devices of that maker" in sentence


def test_a_plan_made_elsewhere_runs_where_its_devices_are(tmp_path: Path) -> None:
    plan = make_plan(facts("llama-3.1-8b-instruct", SHORT, SERVER), Wishes(), alternatives=False)
    larger: HardwareFacts = plan.facts.hardware.model_copy(update={"origin": "probed"})
    this_machine.check(plan, tmp_path, "plan.yaml", lambda where: larger)
    fewer = larger.model_copy(
        update={"devices": tuple(one.model_copy(update={"count": 4}) for one in larger.devices)}
    )
    with pytest.raises(BadInput, match="has 4 devices"):
        this_machine.check(plan, tmp_path, "plan.yaml", lambda where: fewer)
