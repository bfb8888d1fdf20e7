"""What the rules about sharing say, scene by scene."""

from __future__ import annotations

import re
from typing import Any

import pytest

from planner.search import TARGET_STEPS
from planner.solve import make_plan
from planner.wishes import Wishes
from tests.planner.scenes import LONG, MANY, SHORT, facts, plan

EIGHT = "8x A100-80G nvlink"
LLAMA = "llama-3.1-8b-instruct"


@pytest.mark.parametrize(
    ("scene", "setting", "value", "words"),
    [
        ({}, "num_processes", 2, "One process per core"),
        ({}, "tensor_parallel_degree", 1, "needs accelerators"),
        ({}, "sharding", "none", "Everything fits without it"),
        ({"model": LLAMA, "hardware": EIGHT}, "num_processes", 8, "each of the 8 devices"),
        ({"model": LLAMA, "hardware": EIGHT}, "pipeline_parallel_degree", 1, "need no pipeline"),
        ({"model": LLAMA, "hardware": EIGHT}, "virtual_pp_degree", 1, "Layers are not split"),
        ({"model": LLAMA, "hardware": EIGHT}, "expert_parallel_degree", 1, "has no experts"),
        ({"model": LLAMA, "hardware": EIGHT}, "context_parallel_degree", 1, "fit on one process"),
        ({"model": LLAMA, "hardware": EIGHT}, "enable_auto_parallel", False, "stays off"),
        (
            {"model": LLAMA, "hardware": EIGHT, "tensor_parallel_degree": 4},
            "sequence_parallel",
            True,
            "split by tokens",
        ),
        (
            {"model": LLAMA, "hardware": EIGHT, "tensor_parallel_degree": 4},
            "tensor_parallel_output",
            True,
            "32,064 of 128,256 scores",
        ),
        (
            {"model": LLAMA, "hardware": EIGHT, "method": "full", "sharding": "stage1"},
            "sharding_parallel_config",
            "enable_stage1_tensor_fusion enable_stage1_overlap",
            "upstream's recipes",
        ),
        (
            {"model": LLAMA, "hardware": EIGHT, "sharding": "stage1"},
            "sharding_parallel_config",
            "",
            "refuses overlap",
        ),
        (
            {"model": LLAMA, "hardware": EIGHT, "tensor_parallel_degree": 2, "pipeline_parallel_degree": 2},
            "pipeline_parallel_config",
            "disable_partial_send_recv",
            "sent whole",
        ),
    ],
)
def test_a_scene_decides_a_setting_with_a_reason(
    scene: dict[str, Any], setting: str, value: object, words: str
) -> None:
    rows: dict[str, Any] = {"found": SHORT} if scene else {}
    decision = plan(**rows, **scene).decisions[setting]
    assert decision.value == value
    assert words in decision.because


def test_a_model_that_does_not_fit_on_one_device_is_split_and_says_what_less_would_need() -> None:
    made = plan("llama-3.1-70b-instruct", LONG, EIGHT)
    split = int(str(made.value("tensor_parallel_degree"))) * int(str(made.value("pipeline_parallel_degree")))
    assert split > 1
    reasons = [
        other.because
        for name in ("tensor_parallel_degree", "pipeline_parallel_degree")
        for other in made.decisions[name].alternatives
    ]
    assert any("Needs" in reason or "slower" in reason or "less time" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("model", "machine", "pins"),
    [
        ("qwen2.5-7b-instruct", "4x 4090", {}),
        ("qwen2.5-7b-instruct", "2x 3090", {}),
        ("qwen2.5-32b-instruct", "8x A100-80G", {}),
        ("qwen2.5-72b-instruct", "8x A100-80G", {}),
        ("qwen2.5-32b-instruct", "8x L20", {}),
        ("llama-2-13b", "8x 910B", {}),
        ("qwen2.5-32b-instruct", "8x H100", {"method": "full"}),
        ("llama-3.1-70b-instruct", "8x H100", {"method": "full"}),
        ("llama-2-13b", "8x A100-80G", {"method": "full"}),
    ],
)
def test_one_machine_needs_no_pipeline_where_the_way_without_is_nearly_as_fast(
    model: str, machine: str, pins: dict[str, Any]
) -> None:
    # As upstream fine-tunes: tensor parallelism with sharding (tests/test_tipc/llm/*/sft.json).
    made = plan(model, MANY, machine, **pins)
    assert made.value("pipeline_parallel_degree") == 1
    assert int(str(made.value("tensor_parallel_degree"))) > 1


def test_what_a_pipeline_would_have_saved_is_told() -> None:
    reasons = plan("qwen2.5-7b-instruct", MANY, "4x 4090").decisions["pipeline_parallel_degree"].alternatives
    assert any("less time, too little for a pipeline" in one.because for one in reasons)


def test_offloaded_states_travel_once_for_many_sequences() -> None:
    made = plan("llama-3.1-70b-instruct", MANY, "8x H100", method="full")
    assert made.value("offload_optim") is True
    assert int(str(made.value("gradient_accumulation_steps"))) >= 16


def test_degrees_multiply_to_the_processes() -> None:
    made = plan("qwen2.5-72b-instruct", MANY, "4 nodes x 8 H800 ib 400", goal="quality")
    product = 1
    for name in ("tensor", "pipeline", "sharding", "data", "context", "sep"):
        product *= int(str(made.value(f"{name}_parallel_degree")))
    assert product == made.value("num_processes") == 32


@pytest.mark.parametrize(
    ("stage", "method", "low", "high"),
    [
        ("sft", "lora", 1e-4, 5e-4),
        ("sft", "full", 1e-5, 5e-5),
        ("sft", "vera", 1e-4, 5e-4),
        ("dpo", "full", 5e-7, 2e-6),
        ("dpo", "lora", 5e-6, 2e-5),
        ("kto", "lora", 1e-5, 5e-5),
        ("pretrain", "full", 1e-5, 5e-5),
    ],
)
def test_learning_rates_are_those_of_upstreams_recipes(
    stage: str, method: str, low: float, high: float
) -> None:
    wishes = Wishes(stage=stage, pins={"method": method})
    made = make_plan(facts(LLAMA, MANY, EIGHT), wishes)
    assert low <= float(str(made.value("learning_rate"))) <= high


def test_pretraining_sees_millions_of_tokens_in_a_step_and_text_once() -> None:
    much = MANY.model_copy(
        update={
            "train_rows": 4_000_000,
            "lengths": MANY.lengths.model_copy(update={"total": 2_800_000_000}),
        }
    )
    made = make_plan(facts(LLAMA, much, EIGHT), Wishes(stage="pretrain"))
    rows = int(str(made.value("per_device_train_batch_size"))) * int(
        str(made.value("gradient_accumulation_steps"))
    )
    replicas = int(str(made.value("data_parallel_degree"))) * int(str(made.value("sharding_parallel_degree")))
    tokens = rows * replicas * int(str(made.value("max_length")))
    assert 1e6 < tokens < 4e6
    assert made.value("num_train_epochs") == 1
    assert made.value("min_learning_rate") == pytest.approx(0.1 * float(str(made.value("learning_rate"))))


@pytest.mark.parametrize("machine", ["16 nodes x 8 H100 ib 400", "2 nodes x 8 H800 ib 400"])
def test_few_rows_on_very_many_cards_are_told_with_a_way_out(machine: str) -> None:
    few = plan("qwen2.5-7b-instruct", SHORT, machine)
    told = few.decisions["gradient_accumulation_steps"].because
    assert int(str(few.value("max_steps"))) < TARGET_STEPS
    found = re.search(r"--set num_processes=(\d+) there would be about (\d+)", told)
    assert found, told
    more = plan("qwen2.5-7b-instruct", SHORT, machine, num_processes=int(found[1]))
    assert int(str(more.value("max_steps"))) >= TARGET_STEPS
    enough = plan("qwen2.5-7b-instruct", SHORT, "8x A100-80G")
    assert "--set" not in enough.decisions["gradient_accumulation_steps"].because
