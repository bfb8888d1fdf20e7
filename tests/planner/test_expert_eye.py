"""What somebody who has trained many models looks at first: that each reason is true of its plan."""

from __future__ import annotations

import pytest

from planner import data_text
from planner.errors import BadInput, NothingFeasible
from planner.hardware_text import parse
from planner.pace import time_range
from planner.plan import Plan
from planner.situation import Situation
from planner.solve import make_plan
from planner.wishes import Wishes
from tests.planner.scenes import SHORT, data, facts, plan

EIGHT_H100 = "8x H100 nvlink"
BOOKS = data(rows=20_000, mean=60_000, longest=131_072, dev=500)
REPORTS = data(rows=20_000, mean=4_500, longest=30_000, dev=500)


def pretrained(model: str, found: object, hardware: str, goal: str = "balance") -> Plan:
    wishes = Wishes(stage="pretrain", goal=goal)  # type: ignore[arg-type]
    return make_plan(facts(model, found, hardware), wishes, alternatives=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "found", "hardware", "goal", "length", "reason"),
    [
        ("llama-3.1-8b", SHORT, EIGHT_H100, "balance", 4_096, "every position learns"),
        ("llama-3.1-8b", REPORTS, EIGHT_H100, "balance", 8_192, "keep them whole"),
        ("llama-3.1-8b", BOOKS, EIGHT_H100, "balance", 32_768, "more work than all the weights"),
        ("llama-3.1-8b", BOOKS, EIGHT_H100, "speed", 4_096, "you favour speed"),
        ("llama-2-7b", BOOKS, EIGHT_H100, "balance", 4_096, "can read 4,096"),
        ("qwen2.5-1.5b", BOOKS, "8x V100-32G", "balance", 2_048, "every score"),
        ("qwen2.5-3b", BOOKS, "A40", "balance", 8_192, "do not fit"),
    ],
)
def test_pieces_of_text_are_as_long_as_texts_model_memory_and_attention_allow(
    model: str, found: object, hardware: str, goal: str, length: int, reason: str
) -> None:
    made = pretrained(model, found, hardware, goal)
    assert made.value("max_length") == length
    assert reason in made.decisions["max_length"].because


@pytest.mark.parametrize("hardware", ["4x 4090", "8x 910B", "2 nodes x 8 H100 ib 400"])
@pytest.mark.parametrize("minutes", [10.0, 30.0, 240.0])
def test_a_time_limit_holds_at_the_upper_end_of_the_forecast(hardware: str, minutes: float) -> None:
    many = data(rows=40_000_000, mean=400, longest=1_800, dev=500)
    made = plan("qwen2.5-7b-instruct", many, hardware, minutes=minutes, alternatives=False)
    s = Situation(made.facts, made.wishes, dict(made.decisions))
    assert made.forecast.train_seconds_high <= 1.01 * 60 * minutes
    assert made.forecast.train_seconds_high >= 0.85 * 60 * minutes
    assert f"{time_range(s)[1]:.0%}" in made.decisions["num_train_epochs"].because


def test_a_limit_that_does_not_hold_is_told() -> None:
    made = plan("qwen2.5-7b-instruct", SHORT, "4090", minutes=10, num_train_epochs=5, alternatives=False)
    assert made.forecast.train_seconds > 600
    assert any("longer than your limit of 10 min: you fixed" in line for line in made.forecast.assumptions)
    assert not any("longer than your limit" in line for line in plan(minutes=60).forecast.assumptions)


def test_plans_in_the_same_time_are_compared_by_what_they_see() -> None:
    many = data(rows=400_000, mean=400, longest=1_800, dev=500)
    made = plan("qwen2.5-7b-instruct", many, "8x A100-80G nvlink", minutes=60)
    for other in made.alternatives:
        assert other.tokens_per_second is not None
    full = next(other for other in made.alternatives if other.changes.get("method") == "full")
    assert float(full.tokens_per_second or 0) < made.forecast.tokens_per_second


def test_what_follows_from_another_way_is_told() -> None:
    made = plan("llama-3.1-70b-instruct", data(19_000, 800, 3_000, dev=500), "8x A100-80G nvlink")
    for other in made.alternatives:
        pins = made.wishes.pins | other.changes
        again = make_plan(made.facts, made.wishes.model_copy(update={"pins": pins}), alternatives=False)
        assert {name: again.value(name) for name in other.follows} == other.follows
        unsaid = {"tensor_parallel_degree", "pipeline_parallel_degree"} - {*other.follows, *other.changes}
        assert all(again.value(name) == made.value(name) for name in unsaid)
    assert any("pipeline_parallel_degree" in other.follows for other in made.alternatives)


def test_recomputation_that_is_not_needed_names_the_way_without_it() -> None:
    described = data_text.parse(5_000, "500:3000")
    made = plan("qwen2.5-7b-instruct", described, "4x V100-32G", alternatives=False)
    assert (made.value("recompute"), made.value("per_device_train_batch_size")) == (True, 1)
    assert "without it (tensor_parallel_degree=4)" in made.decisions["recompute"].because


def test_a_step_of_more_rows_than_wanted_says_why() -> None:
    moe = plan("qwen3-30b-a3b", data(47_500, 600, 4_000, dev=500), EIGHT_H100, alternatives=False)
    assert "4 pipeline stages would wait longer" in moe.decisions["gradient_accumulation_steps"].because
    seven = plan("qwen2.5-7b-instruct", data(95_000, 300, 4_000, dev=500), EIGHT_H100, alternatives=False)
    assert "8 replicas take at least one" in seven.decisions["gradient_accumulation_steps"].because


def test_one_device_needs_no_words_about_sharing() -> None:
    made = plan("qwen2.5-1.5b-instruct", SHORT, "4090", alternatives=False)
    for name in ("num_processes", "tensor_parallel_degree", "pipeline_parallel_degree"):
        assert made.decisions[name].because == "There is one device."
        assert made.decisions[name].alternatives == ()


def test_experts_that_stay_together_say_why() -> None:
    adapters = plan("qwen3-30b-a3b", SHORT, EIGHT_H100, alternatives=False)
    assert "only where every weight is trained" in adapters.decisions["expert_parallel_degree"].because
    other = plan("mixtral-8x7b-v0.1", SHORT, "8x H100", method="full", alternatives=False)
    assert "cannot spread" in other.decisions["expert_parallel_degree"].because


@pytest.mark.parametrize("hardware", ["4x 4090", "8x A100-80G nvlink"])
def test_several_devices_say_why_weights_are_not_sharded(hardware: str) -> None:
    made = plan("qwen2.5-7b-instruct", SHORT, hardware, alternatives=False)
    others = {str(other.value): other.because for other in made.decisions["sharding"].alternatives}
    assert "fails in this version" in others["stage3"]


def test_few_held_out_rows_promise_little() -> None:
    assert "hints at" in plan(found=data(rows=11, dev=1)).decisions["evaluation_strategy"].because
    assert "shows whether" in plan(found=SHORT).decisions["evaluation_strategy"].because


def test_a_degree_that_divides_nothing_is_refused_with_those_that_would() -> None:
    with pytest.raises(NothingFeasible) as caught:
        plan("qwen2.5-7b-instruct", SHORT, "8x A100-80G", tensor_parallel_degree=3)
    assert caught.value.remedy == "Set tensor_parallel_degree to one of 1, 2, 4."


@pytest.mark.parametrize(
    "text", ["2x 4090 + 2x 3090", "4090 and 3090", "2张4090和2张3090", "8x A100, 8x H100", "RTX 4090 / T4"]
)
def test_devices_of_several_kinds_are_not_taken_for_those_of_one(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert "several kinds" in caught.value.what


@pytest.mark.parametrize("text", ["8x A100/80G", "8x A100-80G, nvlink, 512g ram", "4090 and 64g ram"])
def test_what_else_is_said_of_a_machine_is_no_second_kind(text: str) -> None:
    assert len(parse(text).devices) == 1


@pytest.mark.parametrize("text", ["MI300X x8", "gaudi2"])
def test_devices_of_other_makers_are_not_taken_for_a_slip(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert "Did you mean" not in caught.value.remedy


def test_small_pieces_in_a_pipeline_are_not_blamed_on_memory() -> None:
    corpus = data(rows=2_000_000, mean=900, longest=4_000)
    made = make_plan(
        facts("deepseek-v3", corpus, "256 nodes x 8 H800 ib 400"),
        Wishes(stage="pretrain"),
        alternatives=False,
    )
    because = made.decisions["per_device_train_batch_size"].because
    assert made.forecast.peak_memory_bytes < 0.5 * made.forecast.memory_limit_bytes
    assert "pipeline's stages" in because and "may be used" not in because
