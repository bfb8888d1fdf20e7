"""The search: the grid holds what the engine can do, pins narrow it, and the best that fits is taken."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from planner.errors import NothingFeasible
from planner.facts import DataFacts, HardwareFacts
from planner.search import HEADROOM, fits, outcome
from planner.search.kinds import FULL_ROWS, kinds
from planner.search.nothing import DoesNotFit
from planner.search.outcome import predicted
from planner.search.ranking import Predicted
from planner.setup import Setup
from planner.situation import Situation
from planner.solve import make_plan, solved
from planner.wishes import Wishes
from tests.planner.scenes import LONG, MANY, SHORT, data, facts, plan

EIGHT = "8x A100-80G nvlink"
SIXTEEN = "2 nodes x 8 H800 ib 400"
SEVEN = "qwen2.5-7b-instruct"
LLAMA = "llama-3.1-8b-instruct"
SEVENTY = "llama-3.1-70b-instruct"


def situation(
    model: str = SEVEN,
    found: DataFacts = SHORT,
    hardware: str | HardwareFacts = EIGHT,
    *,
    goal: str = "balance",
    stage: str = "sft",
    **pins: Any,
) -> Situation:
    """Return the situation of a plan, everything decided."""
    wishes = Wishes(goal=goal, stage=stage, pins=pins)
    return solved(facts(model, found, hardware), wishes)


def grids(s: Situation) -> list[Predicted]:
    """Return every method's grid with its forecasts."""
    return predicted(s, None)[0]


def array(setup: Setup, name: str, number: int) -> np.ndarray[Any, Any]:
    """Return one field as an array of `number` values."""
    return np.broadcast_to(np.asarray(getattr(setup, name)), (number,))


@pytest.mark.parametrize(
    ("model", "hardware", "goal", "stage"),
    [
        (SEVEN, EIGHT, "quality", "sft"),
        (SEVENTY, SIXTEEN, "quality", "sft"),
        ("qwen2.5-72b-instruct", "16 nodes x 8 H800 ib 400", "balance", "dpo"),
        ("deepseek-v3", "64 nodes x 8 H800 ib 400", "balance", "pretrain"),
    ],
)
def test_every_way_of_the_grid_is_one_that_the_trainer_accepts(
    model: str, hardware: str, goal: str, stage: str
) -> None:
    s = situation(model, MANY, hardware, goal=goal, stage=stage)
    per_node = s.workers // s.hardware.nodes
    for grid in (one.grid for one in grids(s)):
        number = grid.size
        tensor, pipeline, degree, zero, expert, virtual, rounds = (
            array(grid, name, number)
            for name in (
                "tensor",
                "pipeline",
                "sharding_degree",
                "sharding",
                "expert",
                "virtual",
                "accumulation",
            )
        )
        replicas = array(grid, "replicas", number)
        assert (tensor * pipeline * replicas == s.workers).all()
        assert (tensor <= per_node).all()
        assert (s.model.num_attention_heads % tensor == 0).all()
        assert (replicas % degree == 0).all()
        assert ((zero > 0) == (degree > 1)).all()
        assert ((pipeline == 1) | (zero <= 1)).all()
        assert ((zero < 3) | (tensor == 1)).all()
        assert ((zero < 2) | (degree == replicas) | (not s.flag("amp_master_grad"))).all()
        assert ((virtual == 1) | (rounds % pipeline == 0)).all()
        assert ((expert == 1) | ((degree % expert == 0) & (zero > 0))).all()


def test_degrees_of_tensor_parallelism_divide_the_key_value_heads_where_the_family_demands_it() -> None:
    # qwen2.5-7b has 4 key/value heads; qwen2/modeling.py:536 refuses more splits than that.
    tensor = {int(value) for one in grids(situation()) for value in np.unique(one.grid.tensor)}
    assert max(tensor) <= 4


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("tensor_parallel_degree", 2, "tensor", 2),
        ("pipeline_parallel_degree", 2, "pipeline", 2),
        ("sharding", "stage2", "sharding", 2),
        ("recompute", True, "recompute", None),
        ("per_device_train_batch_size", 2, "micro_batch", 2),
        ("gradient_accumulation_steps", 5, "accumulation", 5),
        ("method", "full", "method", "full"),
        ("num_processes", 4, "processes", 4),
    ],
)
def test_a_pin_narrows_the_grid_to_its_value(name: str, value: Any, field: str, expected: object) -> None:
    s = situation(LLAMA, SHORT, EIGHT, **{name: value})
    for one in grids(s):
        values = np.unique(np.asarray(getattr(one.grid, field)))
        assert (values > 0).all() if expected is None else list(values) == [expected]
    chosen = getattr(outcome(s).setup, field)
    assert chosen > 0 if expected is None else chosen == expected


def test_the_chosen_way_fits_and_no_fitting_way_of_its_method_scores_better() -> None:
    s = situation(SEVENTY, SHORT, SIXTEEN)
    found = outcome(s)
    assert found.peak <= HEADROOM * found.limit
    same = next(one for one in grids(s) if one.grid.method == found.setup.method)
    best = same.best()
    assert best is not None
    assert same.grid.one(best) == found.setup
    assert found.peak == pytest.approx(sum(part.bytes for part in found.parts.values()), rel=1e-6)


def test_rejected_ways_differ_in_what_they_are_named_after_and_say_why_they_lost() -> None:
    s = situation(SEVENTY, SHORT, SIXTEEN)
    found = outcome(s)
    assert {"method", "recompute", "tensor", "pipeline", "sharding"} <= {one.kind for one in found.rejected}
    for one in found.rejected:
        assert one.reason.endswith(".")
        assert one.fits == (one.peak <= HEADROOM * one.limit)
        if one.kind != "method":
            assert getattr(one.setup, one.kind) != getattr(found.setup, one.kind)


@pytest.mark.parametrize(
    ("goal", "rows", "first"),
    [
        ("quality", FULL_ROWS, "full"),
        ("quality", FULL_ROWS - 1, "lora"),
        ("balance", 50_000, "lora"),
        ("speed", 50_000, "lora"),
    ],
)
def test_the_goal_orders_methods(goal: str, rows: int, first: str) -> None:
    s = situation(found=data(rows, 400, 1800), goal=goal)
    ordered = sorted((kind for kind in kinds(s) if kind.order is not None), key=lambda kind: kind.order or 0)
    assert ordered[0].method == first


def test_weights_are_stored_in_few_bits_only_where_they_do_not_fit_otherwise() -> None:
    assert plan(SEVEN, SHORT, "A100 80g").value("method") == "lora"
    assert plan("qwen2.5-32b-instruct", SHORT, "A100 40g").value("method") == "qlora"


def test_goal_memory_needs_less_than_goal_speed() -> None:
    lean = plan(LLAMA, SHORT, EIGHT, goal="memory").forecast
    fast = plan(LLAMA, SHORT, EIGHT, goal="speed").forecast
    assert lean.peak_memory_bytes < fast.peak_memory_bytes
    assert lean.train_seconds > fast.train_seconds


def test_offload_is_for_those_who_want_every_weight_trained() -> None:
    assert not plan(SEVENTY, MANY, EIGHT, goal="quality").value("offload_optim")
    assert plan(SEVENTY, SHORT, EIGHT, method="full").value("offload_optim")


@pytest.mark.parametrize("stage", ["pretrain", "sft", "dpo", "kto", "orpo", "simpo", "reward"])
def test_every_stage_of_training_has_a_plan(stage: str) -> None:
    made = make_plan(facts(LLAMA, MANY, EIGHT), Wishes(stage=stage))
    assert made.value("method") == ("full" if stage in ("pretrain", "reward") else "lora")


@pytest.mark.parametrize("stage", ["export", "quantise"])
def test_what_is_not_trained_needs_its_weights_and_no_more_devices_than_hold_them(stage: str) -> None:
    small = make_plan(facts(LLAMA, SHORT, "4090"), Wishes(stage=stage))
    assert small.forecast.peak_memory_bytes < 24e9
    assert not small.alternatives
    large = make_plan(facts(SEVENTY, SHORT, EIGHT), Wishes(stage=stage))
    assert large.value("num_processes") == 4


def test_a_step_of_too_many_rows_is_worth_less_than_its_speed() -> None:
    # 1024 devices and 80,000 rows: plain replicas would leave 25 steps; splits leave about a hundred.
    made = plan("qwen2.5-72b-instruct", MANY, "128 nodes x 8 H800 ib 400", goal="quality")
    assert int(str(made.value("max_steps"))) >= 80


def test_a_longer_row_never_needs_less_memory_and_fits_says_where_it_ends() -> None:
    s = situation(hardware="4090")
    answers = [fits(s, length) for length in (512, 1024, 2048, 4096, 8192, 16384, 32768)]
    assert answers[0]
    assert answers == sorted(answers, reverse=True)
    peaks = [
        plan(SEVEN, SHORT, "A100 80g", max_length=length, per_device_train_batch_size=1, recompute=True)
        for length in (512, 1024, 2048, 4096)
    ]
    needed = [made.forecast.peak_memory_bytes for made in peaks]
    assert needed == sorted(needed)


def test_more_memory_never_makes_training_slower_by_more_than_the_margin_for_a_simpler_way() -> None:
    seconds = []
    for gib in (40, 48, 64, 80, 96, 141):
        machine = facts(LLAMA, SHORT, f"8x A100 {gib}g nvlink" if gib in (40, 80) else EIGHT).hardware
        device = machine.devices[0].model_copy(update={"memory_bytes": gib * 1024**3})
        grown = machine.model_copy(update={"devices": (device,)})
        s = situation(LLAMA, SHORT, grown, method="full", max_length=4096, gradient_accumulation_steps=4)
        seconds.append(1 / outcome(s).tokens_per_second)
    assert all(later <= 1.05 * before for before, later in pairwise(seconds))


def test_the_search_answers_the_same_before_and_after_the_rules_that_explain_it() -> None:
    s = situation(SEVENTY, LONG, EIGHT)
    assert len([key for key in s.memo if type(key).__name__ == "Asked"]) == 1


def test_nothing_fits_names_three_changes_and_each_really_works() -> None:
    with pytest.raises(DoesNotFit) as caught:
        plan(SEVENTY, SHORT, "4090")
    refusal = caught.value
    assert len(refusal.changes) == 3
    assert refusal.exit_code == 3
    for change in refusal.changes:
        assert change.sentence in refusal.sentence()
        assert 0 < change.peak <= HEADROOM * change.limit
    assert {change.kind for change in refusal.changes} == {"devices", "device", "model"}


def test_a_pin_that_is_too_much_is_the_first_thing_to_change() -> None:
    with pytest.raises(DoesNotFit) as caught:
        plan(SEVEN, SHORT, "4090", method="full")
    first = caught.value.changes[0]
    assert dict(first.pins) == {"method": "lora"}
    assert "Fixed by you: method=full" in caught.value.why
    with pytest.raises(DoesNotFit) as caught:
        plan(SEVEN, SHORT, "4090", method="full", recompute=False, max_length=4096)
    assert caught.value.changes[0].kind == "pin"
    with pytest.raises(DoesNotFit) as caught:
        plan(SEVEN, SHORT, "4090", lora_rank=100_000)
    smaller: dict[str, Any] = dict(caught.value.changes[0].pins)
    assert smaller["lora_rank"] in {2**power for power in range(3, 17)}
    assert plan(SEVEN, SHORT, "4090", **smaller).value("lora_rank") == smaller["lora_rank"]


def test_pins_that_no_way_can_keep_are_named() -> None:
    with pytest.raises(NothingFeasible) as caught:
        plan(LLAMA, SHORT, EIGHT, tensor_parallel_degree=8, data_parallel_degree=2)
    assert "tensor_parallel_degree=8" in caught.value.sentence()


@pytest.mark.parametrize("hardware", [EIGHT, "16 nodes x 8 H100 ib 400"])
def test_a_small_model_is_copied_to_every_device_and_not_split(hardware: str) -> None:
    none: dict[str, Any] = {}
    for pins in (none, {"sharding": "none"}):
        made = plan("qwen2.5-0.5b-instruct", SHORT, hardware, **pins)
        assert made.value("tensor_parallel_degree") == made.value("pipeline_parallel_degree") == 1


def test_a_small_model_is_split_where_nothing_else_fits() -> None:
    made = plan("qwen2.5-0.5b-instruct", LONG, "T4 x4", method="full", max_length=8192, zero_padding=False)
    assert int(str(made.value("tensor_parallel_degree"))) > 1


def test_a_pipeline_is_filled_where_the_data_have_room() -> None:
    made = plan("deepseek-v3", MANY, "32 nodes x 8 H800 ib 400", goal="quality")
    stages = int(str(made.value("pipeline_parallel_degree")))
    assert stages > 1
    assert int(str(made.value("gradient_accumulation_steps"))) >= stages
    assert int(str(made.value("max_steps"))) >= 80


def test_stage_3_is_offered_and_never_taken_by_itself() -> None:
    for model, hardware in ((SEVENTY, EIGHT), (LLAMA, "2x 4090"), (SEVEN, "8x A100-40G")):
        for grid in (one.grid for one in grids(situation(model, SHORT, hardware))):
            assert (np.asarray(grid.sharding) < 3).all()
    assert plan(LLAMA, SHORT, EIGHT, sharding="stage3").value("sharding") == "stage3"


def test_what_is_fixed_about_adapters_or_recompute_asks_for_them() -> None:
    assert plan(SEVEN, SHORT, EIGHT, goal="quality").value("method") == "full"
    assert plan(SEVEN, SHORT, EIGHT, goal="quality", lora_rank=4).value("method") == "lora"
    assert plan(SEVEN, SHORT, EIGHT, num_prefix_tokens=64).value("method") == "prefix_tuning"
    assert plan(SEVEN, SHORT, EIGHT, recompute_granularity="full_attn").value("recompute") is True
