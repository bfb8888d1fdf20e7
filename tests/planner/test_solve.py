"""What holds for every plan, whatever the facts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.errors import BadInput, NothingFeasible
from planner.facts import DataFacts
from planner.plan import Plan
from planner.planfile import dumps
from planner.rules.constraints import broken
from planner.search import HEADROOM
from planner.setting_values import check_value
from planner.setting_values import settings as setting_table
from planner.situation import Situation
from planner.solve import make_plan
from planner.wishes import Wishes
from tests.planner.scenes import SHORT, amd, data, facts, plan

HARDWARE = st.sampled_from(
    ["8x A100-80G nvlink", "A100 40g", "4090", "2x 4090", "V100 32g x4", "T4", "2 nodes x 8 H800 ib 400"]
)
MACHINES = st.one_of(
    HARDWARE,
    st.builds(amd, cores=st.integers(1, 64), gib=st.sampled_from([4, 16, 64, 512])),
)
MODELS = st.sampled_from(
    [
        "smollm2-135m-instruct",
        "qwen2.5-0.5b-instruct",
        "mistral-7b-instruct-v0.3",
        "qwen2.5-7b-instruct",
        "llama-3.1-70b-instruct",
    ]
)


def some_data(rows: int, mean: float, spread: float, dev: int, counted: bool) -> DataFacts:
    """Return data whose longest row is `spread` times the average, if there are enough rows for one so
    long."""
    return data(rows, mean, int(mean * min(spread, rows)) + 1, dev=dev, counted=counted)


DATA = st.builds(
    some_data,
    rows=st.integers(1, 200_000),
    mean=st.floats(4, 3_000),
    spread=st.floats(1, 50),
    dev=st.integers(0, 500),
    counted=st.booleans(),
)
PLANS = {
    "model": MODELS,
    "found": DATA,
    "machine": MACHINES,
    "goal": st.sampled_from(["quality", "balance", "speed", "memory"]),
    "minutes": st.none() | st.floats(0.5, 10_000),
}


def assert_sound(made: Plan) -> None:
    """Every setting decided, explained and valid; nothing the engine refuses; within memory."""
    assert list(made.decisions) == list(setting_table())
    for name, decision in made.decisions.items():
        assert check_value(name, decision.value) == decision.value
        for sentence in (decision.because, *(other.because for other in decision.alternatives)):
            assert len(sentence.split()) >= 2, (name, sentence)
            assert sentence.endswith("."), (name, sentence)
            named = sentence.startswith(("paddle", "fuse_", "use_"))  # an engine or argument by its own name
            assert name == "engine_build" or named or sentence[0] == sentence[0].upper(), (name, sentence)
            assert not re.search(r"[{}]|\bNone\b|nan|\binf\b|  |TODO", sentence), (name, sentence)
        assert all(other.value != decision.value for other in decision.alternatives), (name, decision)
    assert not [
        fault for fault in broken(Situation(made.facts, made.wishes, dict(made.decisions))) if fault.refuses
    ]
    ahead = made.forecast
    assert ahead.peak_memory_bytes == sum(part.bytes for part in ahead.memory_parts.values())
    assert ahead.peak_memory_bytes <= HEADROOM * ahead.memory_limit_bytes
    assert set(ahead.stage_seconds) == set(made.stages)
    assert ahead.total_seconds == pytest.approx(sum(ahead.stage_seconds.values()), abs=1)
    assert ahead.tokens_per_second > 0
    assert made.wishes.time_limit_minutes is None or made.value("max_steps") == 1 or in_time(made)


def in_time(made: Plan) -> bool:
    """Whether training ends within the limit, give or take a tenth."""
    return made.forecast.train_seconds <= 1.1 * 60 * float(made.wishes.time_limit_minutes or 0) + 15


@given(**PLANS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_plan_is_sound_and_survives_its_file(
    model: str, found: object, machine: object, goal: str, minutes: float | None
) -> None:
    from planner.planfile import loads

    try:
        made = plan(model, found, machine, goal=goal, minutes=minutes)  # type: ignore[arg-type]
    except NothingFeasible as refusal:
        assert refusal.remedy
        return
    assert_sound(made)
    text = dumps(made)
    assert loads(text) == made
    assert dumps(loads(text)) == text


def test_demo_trains_within_six_minutes_on_two_cores() -> None:
    made = plan()
    assert made.forecast.train_seconds < 6 * 60
    assert made.value("num_processes") == 2
    assert made.value("method") == "lora"


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_same_input_same_bytes_in_any_process(seed: str) -> None:
    script = (
        "from tests.planner.scenes import plan; from planner.planfile import dumps; "
        "print(dumps(plan()), end='')"
    )
    output = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": seed},
    ).stdout
    assert output == dumps(plan())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lora_rank", 4),
        ("learning_rate", 2e-4),
        ("num_processes", 1),
        ("per_device_train_batch_size", 8),
        ("gradient_accumulation_steps", 6),
        ("max_length", 512),
        ("zero_padding", False),
        ("max_steps", 5),
        ("num_train_epochs", 1),
        ("evaluation_strategy", "no"),
        ("tracker", "none"),
        ("recompute", True),
        ("sharding", "stage1"),
        ("method", "full"),
        ("save_steps", 3),
        ("seed", 7),
    ],
)
def test_a_pin_is_kept_marked_and_planned_around(name: str, value: object) -> None:
    made = plan(**{name: value})  # type: ignore[arg-type]
    decision = made.decisions[name]
    assert (decision.value, decision.rule) == (value, "pin")
    assert decision.because.startswith("You fixed it")
    assert_sound(made)


def test_pins_in_any_order_give_the_same_plan() -> None:
    wishes = [Wishes(pins={"seed": 1, "lora_rank": 4}), Wishes(pins={"lora_rank": 4, "seed": 1})]
    assert dumps(make_plan(facts(), wishes[0])) == dumps(make_plan(facts(), wishes[1]))


def test_a_pin_says_what_the_planner_would_have_chosen_and_why() -> None:
    decision = plan(learning_rate=0.5).decisions["learning_rate"]
    assert decision.because == "You fixed it; the planner would have chosen 0.002."
    assert decision.alternatives[0].value == 0.002
    assert "smaller models bear larger steps" in decision.alternatives[0].because


@pytest.mark.parametrize(
    ("pins", "sentence"),
    [
        ({"lerning_rate": 1}, "there is no setting `lerning_rate`. Did you mean `learning_rate`?"),
        ({"learning_rate": "fast"}, "`learning_rate` must be a number, greater than 0, not 'fast'."),
        ({"learning_rate": 0}, "`learning_rate` must be a number, greater than 0, not 0."),
        ({"lora_rank": 0}, "`lora_rank` must be a whole number, at least 1, not 0."),
        ({"lora_rank": 8.5}, "`lora_rank` must be a whole number, at least 1, not 8.5."),
        ({"zero_padding": 1}, "`zero_padding` must be true or false, not 1."),
        (
            {"method": "lore"},
            "`method` must be one of full, lora, qlora, prefix_tuning, vera, lokr, reft, not 'lore'. "
            "Did you mean `lora`?",
        ),
        ({"lora_dropout": 1.0}, "`lora_dropout` must be a number, at least 0 and less than 1, not 1.0."),
    ],
)
def test_a_bad_pin_gets_one_sentence(pins: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        make_plan(facts(), Wishes(pins=pins))
    assert caught.value.sentence() == f"Fixed setting: {sentence}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("learning_rate=1e-4", 1e-4),
        ("zero_padding=no", False),
        ("evaluation_strategy=no", "no"),
        ("seed=7", 7),
    ],
)
def test_pins_are_read_from_text(text: str, value: object) -> None:
    from planner.setting_values import read_pin

    name, read = read_pin(text)
    assert (name, read) == (text.split("=")[0], value)
    assert type(read) is type(value)


def test_estimated_lengths_are_called_so() -> None:
    made = plan(found=data(counted=False))
    assert "estimated from characters" in made.decisions["max_length"].because
    assert "Token lengths are estimated from characters." in made.forecast.assumptions


def test_the_time_limit_cuts_steps_and_says_what_is_lost() -> None:
    made = plan(found=SHORT, minutes=30)
    assert made.forecast.train_seconds <= 30 * 60
    assert "of the rows are seen" in made.decisions["max_steps"].because
