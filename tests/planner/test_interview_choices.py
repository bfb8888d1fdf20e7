"""Choices with figures: what cannot be had says why, and cannot be taken."""

from __future__ import annotations

import re

import pytest

from planner.errors import BadInput
from planner.interview.interview import Interview
from planner.interview.pricing import priced
from planner.interview.question import Choice
from planner.language import speaking
from tests.planner.interview_walks import MACHINES, answering, begun, filled
from tests.planner.scenes import SHORT


def shown(interview: Interview) -> dict[object, Choice]:
    question = interview.current()
    assert question is not None
    return {choice.value: choice for choice in priced(question, interview.known)}


def at_method(machine: str) -> Interview:
    interview = begun(MACHINES[machine]).answer("qwen2.5 7b")
    return filled(filled(interview).answer("chats.jsonl"), SHORT).skip()


def test_full_training_of_a_7b_model_says_what_it_needs_on_a_24_gb_card() -> None:
    choices = shown(at_method("24 GB card"))
    assert re.fullmatch(r"needs about 5\d\.\d GiB, you have 24\.0 GiB", choices["full"].disabled)
    assert not choices["lora"].disabled
    assert "GiB" in choices["lora"].because
    assert not choices[None].disabled


def test_the_same_is_allowed_on_eight_large_cards() -> None:
    assert not any(choice.disabled for choice in shown(at_method("8 A100")).values())


def test_a_processor_refuses_quantised_weights_with_the_reason() -> None:
    choices = shown(answering(begun(), "smollm2", "steersman-demo", "balance"))
    assert choices["qlora"].disabled == "QLoRA has no CPU kernels."


def test_models_are_priced_before_the_data_is_known() -> None:
    choices = shown(begun(MACHINES["laptop"]))
    assert not choices["smollm2-135m-instruct"].disabled
    assert re.fullmatch(
        r"needs about \d+(\.\d)? GiB, you have 16\.0 GiB", choices["qwen2.5-72b-instruct"].disabled
    )
    assert "about" not in choices["smollm2-135m-instruct"].because


@pytest.mark.parametrize("line", ["c", "C", "(c)", "full", "full fine-tuning", "全参"])
def test_a_disabled_choice_cannot_be_taken_in_any_words(line: str) -> None:
    interview = at_method("24 GB card")
    question = interview.current()
    assert question is not None
    interview = interview.priced(priced(question, interview.known))
    with pytest.raises(BadInput, match="cannot be chosen: needs about"):
        interview.answer(line)


def test_a_stage_that_the_rows_cannot_teach_is_disabled() -> None:
    interview = answering(begun(), "smollm2", "steersman-demo").reopen("stage")
    choices = shown(interview)
    assert choices["dpo"].disabled == (
        "needs pairs of a preferred and a rejected answer, your data has conversations"
    )
    assert not choices["sft"].disabled


def test_choices_that_cost_the_same_carry_no_figures() -> None:
    interview = answering(begun(MACHINES["8 A100"]), "qwen2.5 72b", "steersman-demo", "", "")
    question = interview.current()
    assert question is not None
    assert question.key == "time_limit"
    choices = priced(question, interview.known)
    assert not any(one.disabled or one.because for one in choices), "every limit is longer than the training"
    goals = shown(answering(begun(MACHINES["8 A100"]), "qwen2.5 72b", "steersman-demo"))
    assert "about" in goals["balance"].because


def test_reasons_are_said_in_chinese() -> None:
    with speaking("zh"):
        choices = shown(at_method("24 GB card"))
        assert re.search(r"[一-鿿]", choices["full"].disabled)
        assert "24.0 GiB" in choices["full"].disabled
