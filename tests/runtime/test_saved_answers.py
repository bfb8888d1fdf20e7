"""Answers of an interview that was left: kept, read again where they still mean something, forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.interview.interview import Interview
from runtime import saved_answers
from tests.planner.interview_walks import answering, begun, filled, walked


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))


def test_answers_come_back_as_they_were_with_their_new_provenance() -> None:
    interview = answering(begun(), "qwen2.5 0.5b", "steersman-demo", "best quality", "", "overnight")
    interview = interview.pin("lora_rank", 16).reopen("hardware").answer("two 4090s")
    saved_answers.keep(interview.to_saved())
    again = Interview.from_saved(saved_answers.kept())
    assert filled(again).request() == filled(interview).request()
    assert {answer.provenance for question, answer in again.answered() if question.key != "stage"} == {
        "saved"
    }
    question = filled(again).current()
    assert question is not None
    assert question.key == "method"  # it was open again after the change of the machine


def test_what_was_detected_is_detected_again() -> None:
    saved = walked(begun()).to_saved()
    assert "stage" not in saved["answers"]
    assert "hardware" not in saved["answers"]


def test_stale_answers_are_asked_again_and_the_others_stay() -> None:
    interview = answering(begun(), "smollm2", "steersman-demo", "best quality")
    data = json.loads(json.dumps(interview.to_saved()))
    data["answers"]["model"] = "a-model-that-left-the-catalogue"
    data["answers"]["method"] = "a-method-of-yesterday"
    data["answers"]["time_limit"] = {"not": "a value"}
    data["answers"]["hardware"] = "8x Potato"
    data["pins"] = {"lora_rank": 16, "no_such_setting": 1, "seed": "many"}
    again = Interview.from_saved(data)
    assert {question.key for question, _ in again.answered()} == {"data", "goal"}
    assert again.known.pins == {"lora_rank": 16}


@pytest.mark.parametrize(
    "data",
    [None, [], "x", {}, {"version": 99, "answers": {"goal": "quality"}}, {"version": 1, "answers": []}],
)
def test_a_foreign_file_is_no_answers(data: object) -> None:
    assert Interview.from_saved(data).answered() == ()


def test_a_broken_file_is_no_answers_and_forgetting_twice_is_fine() -> None:
    assert saved_answers.kept() is None
    saved_answers.keep(answering(begun(), "smollm2").to_saved())
    assert saved_answers.kept() is not None
    saved_answers.answers_file().write_text('{"version": 1, "ans', encoding="utf-8")
    assert saved_answers.kept() is None
    saved_answers.forget()
    saved_answers.forget()
    assert not saved_answers.answers_file().exists()


def test_nothing_answered_keeps_nothing() -> None:
    saved_answers.keep(answering(begun(), "smollm2").to_saved())
    saved_answers.keep(begun().to_saved())
    assert saved_answers.kept() is None
