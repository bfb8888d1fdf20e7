"""A line may answer another question, or several: all of it is understood, or none is taken."""

from __future__ import annotations

import pytest

from planner.errors import BadInput
from planner.interview.question import Known
from planner.interview.sentence import understood
from planner.wishes import Value
from tests.planner.interview_walks import answering, begun, filled

NEAR = Known(files=("chats.jsonl",))


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        (
            "fine-tune qwen2.5 7b on chats.jsonl with two 4090s overnight",
            {
                "model": "qwen2.5-7b-instruct",
                "data": "chats.jsonl",
                "hardware": "two 4090s",
                "time_limit": 480,
            },
        ),
        ("two 4090s", {"hardware": "two 4090s"}),
        ("8x A100-80G nvlink, best", {"hardware": "8x A100-80G nvlink", "goal": "quality"}),
        ("2 nodes x 8 H800 ib 400", {"hardware": "2 nodes x 8 H800 ib 400"}),
        ("smollm2 on the demo in two hours", {"model": "smollm2-135m-instruct", "data": "steersman-demo",
                                               "time_limit": 120}),
        ("qwen2.5 7b, 50000 rows of 350:2048 tokens, 4090, lora",
         {"model": "qwen2.5-7b-instruct", "data": "50000 rows of 350:2048 tokens", "hardware": "4090",
          "method": "lora"}),
        ("用两张4090微调qwen2.5 7b，数据chats.jsonl，一晚上",
         {"hardware": "两张4090", "model": "qwen2.5-7b-instruct", "data": "chats.jsonl", "time_limit": 480}),
        ("我有两张4090", {"hardware": "两张4090"}),
        ("我想用两张英伟达4090微调千问7B", {"hardware": "两张英伟达4090", "model": "qwen2.5-7b-instruct"}),
        ("两小时", {"time_limit": 120}),
        ("no", {}),
        ("small", {}),
        ("本地", {}),
        ("质量", {"goal": "quality"}),
        ("my cat is nice", {}),
        ("qwen2.5 7b on the moon", {}),
        ("qwen2.5 7b, llama-3-8b", {}),
        ("90", {}),
    ],
)  # fmt: skip
def test_a_sentence_means_what_each_part_means(line: str, answers: dict[str, Value]) -> None:
    assert {key: answer.value for key, answer in understood(line, NEAR).items()} == answers


def test_an_expert_says_everything_in_one_line() -> None:
    interview = filled(begun().answer("qwen2.5 0.5b on the demo with a 4090 in two hours"))
    request = interview.request()
    assert (request.model, request.data, request.hardware) == (
        "qwen2.5-0.5b-instruct",
        "steersman-demo",
        "a 4090",
    )
    assert request.wishes.time_limit_minutes == 120
    question = interview.current()
    assert question is not None
    assert question.key == "goal"
    assert interview.undo().known.answers.keys() == {"hardware"}


def test_another_machine_can_be_named_at_any_question() -> None:
    interview = answering(begun(), "smollm2", "two 4090s")
    question = interview.current()
    assert question is not None
    assert question.key == "data"
    assert interview.known.hardware is not None
    assert interview.known.hardware.device_count == 2


def test_a_number_or_an_announced_letter_takes_a_choice_where_it_is_no_answer_itself() -> None:
    asked = begun()
    assert asked.answer("2").known.value("model") == "qwen2.5-0.5b-instruct"
    assert asked.answer("选b").known.value("model") == "qwen2.5-0.5b-instruct"
    assert asked.answer("option b").known.value("model") == "qwen2.5-0.5b-instruct"
    with pytest.raises(BadInput):
        asked.answer("12")


def test_what_means_nothing_anywhere_is_refused_by_the_question_at_hand() -> None:
    interview = answering(begun(), "smollm2")
    with pytest.raises(BadInput, match="is no path and no data set"):
        interview.answer("my cat is nice")
