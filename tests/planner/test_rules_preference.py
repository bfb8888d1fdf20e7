"""What plans say of learning preferences: dropout, KTO's second answers, and what `steersman run` runs."""

from __future__ import annotations

import pytest

from planner.facts import Facts
from planner.methods import runnable
from planner.plan import Plan
from planner.situation import Situation
from planner.solve import make_plan
from planner.stage_workers import worker
from planner.wishes import Stage, Value, Wishes
from tests.planner.scenes import SHORT, amd, facts


def planned(stage: Stage, machine: object = None, **pins: Value) -> Plan:
    known: Facts = facts("qwen2.5-0.5b-instruct", SHORT, machine or amd(8, 64))  # type: ignore[arg-type]
    return make_plan(known, Wishes(stage=stage, pins=pins), alternatives=False)


@pytest.mark.parametrize("stage", ["dpo", "orpo", "simpo", "kto", "reward"])
def test_preferences_and_reward_models_are_run(stage: Stage) -> None:
    assert runnable(planned(stage)) == ""
    assert worker(stage, "train") == "preference_train"
    assert worker(stage, "merge") == ("reward_merge" if stage == "reward" else "merge")


def test_a_pipeline_is_planned_and_not_run() -> None:
    plan = planned("dpo", "2x A100-80G nvlink", pipeline_parallel_degree=2, engine="paddlenlp")
    assert "does not train stage dpo with paddlenlp in a pipeline" in runnable(plan)
    assert (
        runnable(planned("sft", "2x A100-80G nvlink", pipeline_parallel_degree=2, engine="paddlenlp")) == ""
    )


@pytest.mark.parametrize("stage", ["dpo", "kto"])
def test_dropout_has_no_effect_and_the_plan_says_so(stage: Stage) -> None:
    assert "dropout is switched off" in planned(stage).decisions["lora_dropout"].because
    assert "switched off" not in planned("sft").decisions["lora_dropout"].because


def test_kto_counts_the_answer_that_stands_beside_every_row() -> None:
    plain = Situation(facts(found=SHORT), Wishes(stage="dpo")).data.lengths
    found = Situation(facts(found=SHORT), Wishes(stage="kto")).data.lengths
    answer = plain.answer_total / SHORT.train_rows
    assert found.mean == pytest.approx(plain.mean + answer, abs=0.1)
    assert found.total == plain.total + plain.answer_total
    assert found.max == plain.max
    plan = planned("kto")
    assert plan.facts.data.lengths == SHORT.lengths, "facts stay what was found"
    assert any("KTO reads every row" in line for line in plan.forecast.assumptions)
