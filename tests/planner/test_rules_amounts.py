"""How much a step sees, how long rows are, how fast weights move: amounts that an expert checks first."""

from __future__ import annotations

import numpy as np
import pytest

from planner.facts import DataFacts
from planner.model_catalogue import find_model
from planner.plan import Plan
from planner.search.demand import pretrain_tokens
from planner.search.grid import tidy
from planner.solve import make_plan
from planner.wishes import Stage, Value, Wishes
from tests.planner.scenes import MANY, SHORT, data, facts, plan

EIGHT = "8x A100-80G nvlink"
LLAMA = "llama-3.1-8b-instruct"


def of_stage(stage: Stage, model: str = LLAMA, rows: int = 20_000, **pins: Value) -> Plan:
    """Return the plan of a stage on eight A100 of 80 GiB."""
    found = data(rows=rows, mean=600, longest=2_048, dev=500)
    return make_plan(facts(model, found, EIGHT), Wishes(stage=stage, pins=pins), alternatives=False)


@pytest.mark.parametrize(
    ("tokens", "low", "high"),
    [(1e8, 2e5, 6e5), (1e9, 6e5, 1e6), (3e11, 1.9e6, 2.3e6)],
)
def test_a_step_of_pretraining_grows_with_the_text(tokens: float, low: float, high: float) -> None:
    entry = find_model("llama-2-7b")
    assert entry is not None
    assert low < pretrain_tokens(entry.facts(), tokens) < high


@pytest.mark.parametrize(
    ("rounds", "written"), [(1, 1), (6, 6), (13, 13), (17, 16), (23, 24), (67, 64), (143, 144), (298, 288)]
)
def test_accumulation_is_a_number_that_people_write(rounds: int, written: int) -> None:
    assert tidy(np.array([rounds])).tolist() == [written]


@pytest.mark.parametrize(("rows", "fewest", "most"), [(100_000, 10, 30), (2_000_000, 30, 30)])
def test_pretraining_warms_up_for_thirty_steps_as_upstream_does(rows: int, fewest: int, most: int) -> None:
    made = of_stage("pretrain", rows=rows)
    assert fewest <= int(str(made.value("warmup_steps"))) <= most
    assert int(str(made.value("warmup_steps"))) <= 0.1 * int(str(made.value("max_steps"))) + 1


@pytest.mark.parametrize(
    ("stage", "model", "low", "high"),
    [
        ("reward", LLAMA, 8e-6, 1.2e-5),
        ("embedding", "qwen2-0.5b", 3e-5, 3e-5),
        ("embedding", "qwen2.5-7b", 1e-5, 1.5e-5),
    ],
)
def test_a_new_head_and_embeddings_learn_at_the_rates_of_those_who_trained_them(
    stage: Stage, model: str, low: float, high: float
) -> None:
    assert low <= float(str(of_stage(stage, model).value("learning_rate"))) <= high


@pytest.mark.parametrize("stage", ["dpo", "kto", "reward"])
def test_preferences_are_read_once(stage: Stage) -> None:
    assert of_stage(stage, rows=2_000).value("num_train_epochs") == 1


def test_rows_are_not_cut_for_weights_in_16_bits_that_fit_at_no_length() -> None:
    spread = data(rows=20_000, mean=500, longest=4_096, p99=1_688, dev=500)
    made = plan("qwen3-235b-a22b", spread, "8x H800")
    assert made.value("weight_quantize_algo") == "weight_only_int8"
    assert made.value("max_length") == 4_096
    assert "lose their end" not in made.decisions["max_length"].because


def test_rows_that_a_pack_cuts_are_told() -> None:
    outlier = data(rows=20_000, mean=500, longest=16_000, p99=1_688, dev=500)
    made = plan("qwen2.5-7b-instruct", outlier, EIGHT)
    assert int(str(made.value("max_length"))) < 16_000
    assert "lose their end" in made.decisions["max_length"].because
    assert "lose their end" not in plan("qwen2.5-7b-instruct", MANY, EIGHT).decisions["max_length"].because
    assert "lose their end" not in plan("qwen2.5-7b-instruct", SHORT, EIGHT).decisions["max_length"].because


@pytest.mark.parametrize(
    ("machine", "precision"),
    [("8x P800", "bf16"), ("8x K100-AI", "fp16"), ("8x 910B", "bf16"), ("T4", "fp16")],
)
def test_other_makers_devices_train_in_the_format_of_upstreams_recipes(machine: str, precision: str) -> None:
    assert plan("llama-2-7b", SHORT, machine, max_length=1024).value("precision") == precision


@pytest.mark.parametrize(("machine", "found"), [("8x V100-32G", MANY), ("8x L20", MANY)])
def test_optimizer_states_stay_on_devices_that_hold_them(machine: str, found: DataFacts) -> None:
    made = plan("qwen2.5-7b-instruct", found, machine, method="full")
    assert made.value("offload_optim") is False
    assert int(str(made.value("gradient_accumulation_steps"))) <= 8
