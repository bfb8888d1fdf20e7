"""The forecast of a whole plan: how far it is from what was measured, what it adds up to, what it says."""

from __future__ import annotations

from typing import Any

import pytest

from planner.errors import NothingFeasible
from planner.facts import Calibration
from planner.model_catalogue import find_model
from planner.plan import Plan
from planner.solve import make_plan
from planner.stage_times import stored_bytes
from planner.wishes import Wishes
from tests.planner.scenes import MANY, SHORT, data, facts, plan

EIGHT = "8x A100-80G nvlink"


def calibrated(memory: float, speed: float, runs: int = 2, **wishes: Any) -> Plan:
    """Return the demo's plan on a machine whose measurements correct the forecast."""
    measured = Calibration(memory_ratio=memory, speed_ratio=speed, runs=runs)
    return make_plan(facts().model_copy(update={"calibration": measured}), Wishes(**wishes))


def test_demo_memory_is_within_a_tenth_of_what_was_measured() -> None:
    # Measured: 2.13 GB resident per training process of the demo.
    assert plan().forecast.peak_memory_bytes == pytest.approx(2.13e9, rel=0.1)


def test_demo_step_is_within_a_quarter_of_what_was_measured() -> None:
    # Measured: 2.1 s per step of two packs of 256 tokens on two AMD EPYC cores.
    assert plan().forecast.step_seconds == pytest.approx(2.1, rel=0.25)


def test_every_part_says_how_it_was_computed() -> None:
    for name, part in plan().forecast.memory_parts.items():
        assert part.because, name


def test_lengths_steps_and_sequences_of_the_demo() -> None:
    # Counted by the engine: 28 packs of 256 tokens, 14 steps per pass on two processes.
    from planner.workload import sequences

    assert sequences(data(), 256, packed=True) == 28
    assert plan().value("max_steps") == 7 * 14


def test_a_download_counts_only_when_there_is_one() -> None:
    hub = plan("qwen2.5-7b-instruct", hardware=EIGHT).forecast.stage_seconds["acquire"]
    assert hub > plan().forecast.stage_seconds["acquire"]
    assert find_model("qwen2.5-7b-instruct") is not None


def test_a_model_answers_faster_on_a_device_that_holds_it_than_on_the_host() -> None:
    """A 7B model in 16 bits takes 19 GB with what it computes on: a V100 has 16 GiB, a 4090 has 24."""
    seconds = {
        card: plan("qwen2.5-7b-instruct", SHORT, card).forecast.stage_seconds["generate"]
        for card in ("4x 4090", "4x V100-16G")
    }
    assert seconds["4x 4090"] < 60 < seconds["4x V100-16G"]


def test_hubs_keep_16_bits_and_what_comes_out_of_a_gguf_file_has_32() -> None:
    hub, wheel = plan("qwen2.5-0.5b-instruct"), plan("smollm2-135m-instruct")
    assert stored_bytes(hub.facts.model) == 2 and stored_bytes(wheel.facts.model) == 4


def test_time_is_a_range_around_the_forecast_and_the_plan_says_how_wide() -> None:
    ahead = plan("qwen2.5-7b-instruct", SHORT, EIGHT).forecast
    assert ahead.train_seconds_low is not None
    assert ahead.train_seconds_high is not None
    assert ahead.train_seconds_low < ahead.train_seconds < ahead.train_seconds_high
    assert any("may take between" in line for line in ahead.assumptions)
    assert any("range of the whole run is that of training" in line for line in ahead.assumptions)


def test_a_card_without_a_published_rate_is_said_to_be_guessed() -> None:
    words = "50 TFLOP/s are assumed"
    for hardware, guessed in (("8x K100-AI", True), ("8x A100-80G", False)):
        ahead = plan("qwen2.5-1.5b-instruct", SHORT, hardware).forecast
        assert any(words in line for line in ahead.assumptions) is guessed, hardware


def test_cost_is_devices_times_hours_times_price_and_unknown_without_a_price() -> None:
    assert plan("qwen2.5-7b-instruct", SHORT, EIGHT).forecast.cost is None
    wishes = Wishes(cost_per_device_hour=2.5)
    ahead = make_plan(facts("qwen2.5-7b-instruct", SHORT, EIGHT), wishes).forecast
    assert ahead.cost == pytest.approx(8 * 2.5 * ahead.train_seconds / 3600, abs=0.01)


def test_an_evaluation_needs_less_than_training_and_nothing_where_nothing_is_evaluated() -> None:
    ahead = plan().forecast
    assert ahead.evaluation_peak_bytes is not None
    assert 0 < ahead.evaluation_peak_bytes < ahead.peak_memory_bytes
    assert plan(evaluation_strategy="no").forecast.evaluation_peak_bytes is None


@pytest.mark.parametrize(("memory", "speed"), [(1.2, 0.8), (0.7, 1.5)])
def test_measurements_correct_memory_and_time_and_the_plan_says_so(memory: float, speed: float) -> None:
    usual, ahead = plan().forecast, calibrated(memory, speed).forecast
    assert ahead.peak_memory_bytes == pytest.approx(memory * usual.peak_memory_bytes, rel=0.01)
    assert ahead.step_seconds == pytest.approx(usual.step_seconds / speed, rel=0.01)
    assert (ahead.memory_ratio, ahead.speed_ratio) == (memory, speed)
    assert any(line.startswith("Corrected by") for line in ahead.assumptions)
    width = (ahead.train_seconds_high or 0) / (ahead.train_seconds_low or 1)
    assert width < (usual.train_seconds_high or 0) / (usual.train_seconds_low or 1)


def test_one_measured_run_narrows_the_range_less_than_many() -> None:
    def width(made: Plan) -> float:
        return (made.forecast.train_seconds_high or 0) / (made.forecast.train_seconds_low or 1)

    assert width(plan()) > width(calibrated(1, 1, runs=1)) > width(calibrated(1, 1, runs=9)) > 1


def test_a_measured_peak_that_is_higher_keeps_a_plan_within_the_device() -> None:
    measured = Calibration(memory_ratio=1.5, runs=3)
    found = facts("qwen2.5-7b-instruct", SHORT, "4090").model_copy(update={"calibration": measured})
    ahead = make_plan(found, Wishes()).forecast
    assert ahead.peak_memory_bytes <= 0.9 * ahead.memory_limit_bytes


def test_host_memory_is_asked_for_when_none_was_named_and_much_is_needed() -> None:
    words = "Check the host memory"
    large: dict[str, Any] = {"model": "qwen2.5-72b-instruct", "found": MANY, "method": "full"}
    assert any(words in line for line in plan(hardware="8x A100-80G", **large).forecast.assumptions)
    assert not any(
        words in line for line in plan(hardware="8x A100-80G, 2048g ram", **large).forecast.assumptions
    )
    with pytest.raises(NothingFeasible, match="Optimizer states that wait in host memory take"):
        plan(hardware="8x A100-80G, 512g ram", **large)
