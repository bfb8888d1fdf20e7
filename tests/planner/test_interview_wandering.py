"""People wander: whatever they do in whatever order, the interview stays whole and leads to a plan."""

from __future__ import annotations

import random

import pytest

from planner.errors import BadInput
from planner.interview.interview import Interview
from planner.interview.questions import QUESTIONS
from planner.model_catalogue import models
from planner.solve import make_plan
from tests.planner.interview_walks import begun, filled, walked

LINES = (
    "", "a", "b", "c", "z", "why me", "qwen2.5 0.5b", "smollm2", "demo", "1000 rows of 300 tokens",
    "two 4090s",
    "best quality", "full", "lora", "overnight", "no limit", "vllm", "preferences", "sft", "这台机器",
    "省显存", "smollm2 on the demo overnight",
)  # fmt: skip
STEPS = 40


def step(interview: Interview, chance: random.Random) -> Interview:
    """Return the interview after one thing that a person may do."""
    deed = chance.choice(("line", "line", "line", "back", "undo", "reopen", "pin", "unpin", "save", "find"))
    if deed == "line" and interview.current() is not None:
        return interview.answer(chance.choice(LINES))
    if deed == "back":
        return interview.back()
    if deed == "undo":
        return interview.undo()
    if deed == "reopen":
        return interview.reopen(chance.choice(QUESTIONS).key)
    if deed == "pin":
        return interview.pin(
            *chance.choice((("lora_rank", "16"), ("method", "full"), ("seed", 7), ("seed", "x")))
        )
    if deed == "unpin":
        return interview.unpin(chance.choice(("lora_rank", "method", "seed")))
    if deed == "save":
        return Interview.from_saved(interview.to_saved()).found(hardware=begun().known.hardware)
    return filled(interview)


@pytest.mark.parametrize("seed", range(24))
def test_wandering_never_breaks_the_interview(seed: int) -> None:
    chance = random.Random(seed)
    interview = begun()
    for _ in range(STEPS):
        try:
            interview = step(interview, chance)
        except BadInput as error:
            assert error.sentence()
        question = interview.current()
        assert question is None or question.key not in interview.known.answers
        assert set(interview.asked) <= {each.key for each in QUESTIONS}
        found = filled(interview)
        assert (found.facts() is not None) == ({"model", "data"} <= found.known.answers.keys()) or (
            "hardware" in found.reopened
        )
    end = walked(interview)
    facts = end.facts()
    assert end.complete
    assert facts is not None
    assert facts.model == models()[str(end.known.value("model"))].facts()
    if not end.known.pins and end.known.value("method") is None and end.known.value("stage") == "sft":
        assert make_plan(facts, end.request().wishes, alternatives=False).facts == facts
