"""The difference of two plans: settings with both reasons, forecasts side by side, and what-if."""

from __future__ import annotations

import pytest

from planner.difference import compare, what_if
from planner.errors import BadInput, NothingFeasible
from planner.hardware_text import parse
from planner.interview.questions.data import described
from planner.model_catalogue import find_model
from planner.render import read_config, train_config
from planner.solve import make_plan
from planner.wishes import Value, Wishes
from tests.planner.scenes import DEMO, SHORT, facts, plan

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


SAME = {
    "per_device_train_batch_size": "per_device_train_batch_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "max_steps": "max_steps",
    "warmup_steps": "warmup_steps",
    "learning_rate": "learning_rate",
    "lora_rank": "lora_rank",
    "max_length": "max_seq_len",
    "zero_padding": "packing",
    "seed": "seed",
    "eval_steps": "eval_steps",
}
"""Key of PaddleNLP's config -> the same in PaddleFormers'."""


def test_a_plan_is_translated_to_the_other_engine_and_back() -> None:
    before = plan("llama-3.1-8b-instruct", SHORT, "8x A100-80G nvlink", learning_rate=5e-5)
    there, found = what_if(before, pins={"engine": "paddleformers"})
    assert "engine" in {one.name for one in found.settings}
    old = read_config(train_config(before, model="m", data="d", output_dir="o"), "paddlenlp")
    new = read_config(train_config(there, model="m", data="d", output_dir="o"), "paddleformers")
    assert {key: new[other] for key, other in SAME.items()} == {key: old[key] for key in SAME}
    back, _ = what_if(there, pins={"engine": None})
    assert train_config(back, model="m", data="d", output_dir="o") == train_config(
        before, model="m", data="d", output_dir="o"
    )


REFUSED: dict[str, tuple[str, str, str, dict[str, Value], str]] = {
    "not trained": ("mistral-7b-instruct-v0.3", "8x A100-80G", "paddleformers", {}, "paddlenlp does."),
    "not trained there": ("qwen3-8b", "8x A100-80G", "paddlenlp", {}, "paddleformers does."),
    "method": (SEVEN, "8x A100-80G", "paddleformers", {"method": "vera"}, "paddleformers has no VeRA"),
    "variant": ("smollm2-135m", "", "paddleformers", {"lora_variant": "pissa"}, "has no PiSSA"),
    "package": ("qwen2.5-0.5b", "", "paddleformers", {}, "paddlefleet, which has no wheel for cpu"),
    "layout": (SEVEN, "8x A100-80G", "paddleformers", {"unified_checkpoint": True}, "save_checkpoint_format"),
}
"""Why not -> model, machine, the other engine, what was fixed before, and what is said."""


@pytest.mark.parametrize("name", REFUSED)
def test_where_it_cannot_be_translated_one_sentence_says_why(name: str) -> None:
    model, machine, engine, pins, sentence = REFUSED[name]
    before = make_plan(facts(model, SHORT if machine else DEMO, machine), Wishes(pins=pins))
    assert before.value("engine") != engine
    with pytest.raises(NothingFeasible) as caught:
        what_if(before, pins={"engine": engine})
    assert sentence in caught.value.what
    assert caught.value.remedy


def test_data_elsewhere_are_told_by_their_rows_and_speed_by_its_unit() -> None:
    before = plan(SEVEN, DEMO, "8x A100-80G nvlink")
    after = make_plan(
        before.facts.model_copy(update={"data": described("20000 rows of 800 tokens", "sft")}), before.wishes
    )
    found = compare(before, after)
    assert any("20,000 rows elsewhere instead of" in line for line in found.facts), found.facts
    speed = next(one for one in found.figures if one.name == "tokens_per_second")
    assert speed.shown(9234) == "9,234 tokens/s"
