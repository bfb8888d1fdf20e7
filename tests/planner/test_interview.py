"""The walk: defaults lead to a plan; a changed answer reopens what depends on it, and nothing else."""

from __future__ import annotations

import re

import pytest

from planner.errors import BadInput
from planner.hardware_text import parse
from planner.interview.interview import Interview
from planner.interview.pricing import priced
from planner.interview.question import Choice, Known
from planner.interview.questions import QUESTIONS
from planner.language import speaking
from planner.model_catalogue import models
from planner.solve import make_plan
from tests.planner.interview_walks import MACHINES, Pick, answering, begun, filled, walked
from tests.planner.scenes import DEMO, LONG, amd, data


def asked(interview: Interview) -> str | None:
    question = interview.current()
    return None if question is None else question.key


def first(choices: tuple[Choice, ...]) -> Choice | None:
    return next((choice for choice in choices if not choice.disabled), None)


def last(choices: tuple[Choice, ...]) -> Choice | None:
    return next((choice for choice in reversed(choices) if not choice.disabled), None)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("pick", [lambda choices: None, first, last], ids=["default", "first", "last"])
def test_every_walk_ends_in_a_plan(machine: str, pick: Pick) -> None:
    interview = walked(begun(MACHINES[machine]), pick)
    facts = interview.facts()
    assert interview.complete
    assert facts is not None
    plan = make_plan(facts, interview.request().wishes, alternatives=False)
    assert plan.facts.hardware == MACHINES[machine]


def test_a_novice_on_a_laptop_gets_a_small_model_and_the_demo_by_enter_alone() -> None:
    interview = begun(amd(4, 16))
    lines = 0
    while not filled(interview).complete:
        interview = filled(interview).answer("")
        lines += 1
    request = filled(interview).request()
    assert (request.model, request.data, request.hardware) == (
        "smollm2-135m-instruct",
        "steersman-demo",
        None,
    )
    assert lines <= 6


def test_only_what_cannot_be_known_is_asked() -> None:
    interview = begun()
    keys = []
    while (question := filled(interview).current()) is not None:
        keys.append(question.key)
        interview = filled(interview).skip()
    assert keys == ["model", "data", "goal", "method", "time_limit", "target"]
    found = {question.key: answer.provenance for question, answer in filled(interview).answered()}
    assert found["hardware"] == found["stage"] == "detected"


def test_what_is_missing_comes_in_the_order_in_which_it_can_be_found() -> None:
    interview = Interview()
    assert [sought.what for sought in interview.missing()] == ["hardware"]
    interview = begun().answer("qwen2.5 0.5b").answer("chats.jsonl")
    assert [(sought.what, sought.text) for sought in interview.missing()] == [
        ("model", "qwen2.5-0.5b-instruct")
    ]
    model = models()["qwen2.5-0.5b-instruct"].facts()
    (sought,) = interview.found(model=model).missing()
    assert (sought.what, sought.text, sought.model) == ("data", "chats.jsonl", model)


def test_another_model_has_the_data_counted_again_and_going_back_finds_nothing_twice() -> None:
    interview = answering(begun(), "smollm2", "steersman-demo")
    changed = interview.reopen("model").answer("qwen2.5 0.5b")
    assert [sought.what for sought in changed.missing()] == ["model"]
    changed = changed.found(model=models()["qwen2.5-0.5b-instruct"].facts())
    assert [sought.what for sought in changed.missing()] == ["data"]
    again = filled(changed).reopen("model").answer("smollm2")
    assert again.missing() == ()
    assert again.known.data == interview.known.data


def test_described_data_and_machines_need_no_finding() -> None:
    interview = begun().answer("smollm2")
    interview = filled(interview).answer("50000 rows of 350:2048 tokens")
    assert interview.missing() == ()
    assert interview.known.data is not None
    assert (interview.known.data.train_rows, interview.known.data.lengths.max) == (49_000, 2048)
    assert asked(interview) == "stage"
    interview = interview.reopen("hardware").answer("two 4090s")
    assert interview.missing() == ()
    assert interview.known.hardware == parse("2x 4090")


def test_described_data_has_the_layout_of_the_stage() -> None:
    interview = answering(begun(), "smollm2", "1000 rows of 300 tokens", "preferences")
    assert interview.known.data is not None
    assert interview.known.data.format == "preference"


@pytest.mark.parametrize(
    ("layout", "stage"),
    [
        ("messages", "sft"),
        ("src_tgt", "sft"),
        ("preference", "dpo"),
        ("labelled", "kto"),
        ("text", "pretrain"),
    ],
)
def test_the_stage_is_detected_from_the_rows(layout: str, stage: str) -> None:
    rows = data().model_copy(update={"format": layout})
    interview = filled(begun().answer("smollm2").found(model=models()["smollm2-135m-instruct"].facts()))
    interview = filled(interview.answer("chats.jsonl"), rows)
    answer = interview.known.answers["stage"]
    assert (answer.value, answer.provenance) == (stage, "detected")


def test_back_asks_the_last_question_again_with_its_answer_as_default() -> None:
    interview = answering(begun(), "smollm2", "steersman-demo", "best quality")
    assert asked(interview) == "method"
    back = interview.back()
    assert asked(back) == "goal"
    assert back.default().value == "quality"
    assert asked(back.back()) == "data"
    assert asked(back.back().back()) == "model"
    assert asked(back.skip()) == "method"


def test_back_from_the_first_question_changes_nothing() -> None:
    interview = begun()
    assert interview.back() is interview
    assert interview.undo() is interview


def test_a_reopened_answer_that_stays_asks_nothing_else() -> None:
    interview = walked(begun())
    again = interview.reopen("model")
    assert asked(again) == "model"
    assert again.skip().complete
    assert again.skip().request() == interview.request()
    assert again.back().complete


def test_only_what_depends_on_a_changed_answer_is_asked_again() -> None:
    interview = answering(begun(), "smollm2", "steersman-demo", "best quality", "lora", "overnight", "vllm")
    changed = filled(interview.reopen("model").answer("qwen2.5 0.5b"))
    assert asked(changed) == "method"
    assert changed.known.value("goal") == "quality"
    assert changed.known.value("time_limit") == 480
    assert changed.skip().complete
    goal = interview.reopen("goal").answer("short training")
    assert goal.complete
    assert goal.known.value("method") == "lora"


def test_needs_are_questions_and_never_the_question_itself() -> None:
    keys = [question.key for question in QUESTIONS]
    assert len(set(keys)) == len(keys)
    for question in QUESTIONS:
        assert set(question.needs) <= set(keys) - {question.key}


def test_undo_takes_one_step_back_and_keeps_what_was_found() -> None:
    interview = answering(begun(), "smollm2", "steersman-demo")
    undone = interview.answer("best quality").undo()
    assert undone.known.answers == interview.known.answers
    pinned = interview.pin("lora_rank", "16")
    assert pinned.known.pins == {"lora_rank": 16}
    assert pinned.undo().known.pins == {}
    start = interview.undo().undo()
    assert "model" not in start.known.answers
    assert start.answer("smollm2").missing() == ()


def test_pins_are_checked_and_released() -> None:
    interview = begun()
    with pytest.raises(BadInput, match="no setting"):
        interview.pin("lora_rnak", 16)
    with pytest.raises(BadInput, match="whole number"):
        interview.pin("lora_rank", "many")
    with pytest.raises(BadInput, match="not fixed"):
        interview.unpin("lora_rank")
    fixed = interview.pin("lora_rank", 16).pin("method", "full")
    assert fixed.request().wishes.pins == {"lora_rank": 16, "method": "full"}
    assert fixed.unpin("lora_rank").unpin("method").request().wishes.pins == {}


def test_a_bad_answer_changes_nothing() -> None:
    interview = begun()
    with pytest.raises(BadInput, match="There is no model called"):
        interview.answer("a model that nobody has")
    with pytest.raises(BadInput, match="fits"):
        interview.answer("llama")
    with pytest.raises(BadInput, match="There is no choice z"):
        interview.answer("z")
    assert asked(interview) == "model"


def test_flags_are_stronger_than_defaults_and_are_not_asked() -> None:
    interview = walked(begun().given({"model": "qwen2.5 0.5b", "goal": "memory", "time_limit": "90.0"}))
    provenances = {question.key: answer.provenance for question, answer in interview.answered()}
    assert provenances["model"] == provenances["goal"] == provenances["time_limit"] == "flag"
    assert interview.request().wishes.time_limit_minutes == 90
    assert "model" not in interview.asked


def test_a_flag_that_the_data_cannot_teach_gives_way_to_the_data() -> None:
    rows = data().model_copy(update={"format": "preference"})
    interview = walked(begun().given({"stage": "sft"}), data=rows)
    assert interview.known.value("stage") == "dpo"


def test_nothing_found_is_not_offered_again() -> None:
    interview = filled(begun().answer("smollm2")).answer("nowhere.jsonl")
    again = interview.reopen("data")
    assert asked(again) == "data"
    assert again.default().value == "steersman-demo"


def test_late_facts_are_filed_under_what_they_were_found_for() -> None:
    interview = begun().answer("smollm2")
    (sought,) = interview.missing()
    changed = interview.reopen("model").answer("qwen2.5 0.5b")
    late = changed.found(model=models()["smollm2-135m-instruct"].facts(), sought=sought)
    assert [one.text for one in late.missing()] == ["qwen2.5-0.5b-instruct"]
    assert late.reopen("model").answer("smollm2").missing() == ()


def test_long_rows_are_worth_a_question() -> None:
    interview = filled(answering(begun(), "smollm2").answer("long.jsonl"), LONG)
    interview = interview.skip().skip()
    assert asked(interview) == "context_length"
    assert interview.answer("8k").request().wishes.context_length == 8192
    assert interview.answer("b").request().wishes.context_length == LONG.lengths.max


def test_what_is_never_asked_can_be_said() -> None:
    interview = walked(begun()).reopen("price")
    assert asked(interview) == "price"
    assert interview.answer("2.50").request().wishes.cost_per_device_hour == 2.5


def test_a_default_that_does_not_fit_gives_way_to_what_fits() -> None:
    interview = Interview(known=Known()).found(hardware=parse("4090 24g"))
    question = interview.current()
    assert question is not None
    known = interview.known
    choices = tuple(
        Choice(one.value, one.label, disabled="too large" if str(one.value).startswith("qwen2.5-7b") else "")
        for one in priced(question, known)
    )
    assert interview.default().value == "qwen2.5-7b-instruct"
    instead = interview.priced(choices).default()
    assert instead.value == "qwen2.5-1.5b-instruct"
    assert "too large" in instead.because


def test_found_data_files_come_first() -> None:
    interview = filled(begun().near(("train.jsonl", "other.csv")).answer("smollm2"))
    assert interview.default().value == "train.jsonl"
    assert [choice.value for choice in interview.choices()] == ["train.jsonl", "other.csv", "steersman-demo"]
    assert filled(interview.answer("b")).known.data == DEMO.model_copy(update={"path": "other.csv"})


def test_answers_are_said_again_in_another_language() -> None:
    interview = walked(begun().given({"time_limit": "90"}))
    with speaking("zh"):
        spoken = interview.respoken()
        assert spoken.request() == interview.request().__class__(
            *interview.request()[:3], interview.request().wishes.model_copy(update={"language": "zh"})
        )
        english = [
            answer.shown
            for question, answer in spoken.answered()
            if question.key not in ("hardware",) and not re.search(r"[一-鿿]", answer.shown)
        ]
        assert english == []
    assert spoken.respoken().answered() == interview.answered()
