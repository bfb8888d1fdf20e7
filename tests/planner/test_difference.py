"""The difference of two plans: settings with both reasons, forecasts side by side, and what-if."""

from __future__ import annotations

import pytest

from planner.difference import compare, what_if
from planner.errors import BadInput
from planner.hardware_text import parse
from planner.model_catalogue import find_model
from tests.planner.scenes import SHORT, plan

SEVEN = "qwen2.5-7b-instruct"


def test_a_plan_does_not_differ_from_itself() -> None:
    found = compare(plan(), plan())
    assert found.is_empty
    assert not found.settings
    assert not found.facts


def test_a_pin_changes_settings_with_both_reasons_and_the_forecast() -> None:
    before = plan(SEVEN, SHORT, "8x A100-80G nvlink")
    after, found = what_if(before, pins={"lora_rank": 64})
    assert after.value("lora_rank") == 64
    changed = {one.name: one for one in found.settings}
    assert (changed["lora_rank"].before, changed["lora_rank"].after) == (16, 64)
    assert changed["lora_rank"].because_before == before.decisions["lora_rank"].because
    assert changed["lora_rank"].because_after.startswith("You fixed it")
    assert changed["lora_alpha"].after == 128
    figures = {one.name: one for one in found.figures}
    assert figures["peak_memory_bytes"].before == before.forecast.peak_memory_bytes
    assert figures["peak_memory_bytes"].after == after.forecast.peak_memory_bytes
    assert (figures["memory: adapter"].ratio or 0) > 3


def test_other_hardware_drops_nothing_but_the_corrections_of_the_old_machine() -> None:
    before = plan(SEVEN, SHORT, "8x A100-80G nvlink", seed=7)
    after, found = what_if(before, hardware=parse("2x 4090"))
    assert after.value("seed") == 7
    assert after.value("num_processes") == 2
    assert any("2" in line and "instead of" in line for line in found.facts)
    assert "instead of" in found.because


def test_another_model_and_a_released_pin() -> None:
    entry = find_model("qwen2.5-1.5b-instruct")
    assert entry is not None
    before = plan(SEVEN, SHORT, "8x A100-80G nvlink", seed=7)
    after, found = what_if(before, model=entry.facts(), pins={"seed": None})
    assert after.value("seed") == 42
    assert after.facts.model.name == "qwen2.5-1.5b-instruct"
    assert any(one.name == "seed" for one in found.settings)


def test_a_change_that_is_no_setting_gets_one_sentence() -> None:
    with pytest.raises(BadInput, match="lora_rnk"):
        what_if(plan(), pins={"lora_rnk": 4})
