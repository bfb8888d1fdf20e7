"""A plan being worked on, and what is typed after "what if": values only, no screen."""

from __future__ import annotations

import pytest

from planner.errors import BadInput
from tests.planner.scenes import plan
from tui.app.plan_session import PlanSession
from tui.app.what_if_text import EXAMPLES, Change, read


def test_changes_are_taken_back_one_by_one() -> None:
    first = plan()
    second, third = plan(lora_rank=4), plan(lora_rank=4, num_train_epochs=2)
    session = PlanSession(first)
    assert session.take(second).settings and session.take(third).settings
    assert "num_train_epochs" in session.changed
    assert session.before("num_train_epochs") == second.value("num_train_epochs")
    assert session.is_fixed("lora_rank") and not session.saved
    assert session.undo() and session.plan == second
    assert session.undo() and session.plan == first
    assert not session.undo() and session.plan == first


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("goal quality", Change(wishes={"goal": "quality"})),
        ("--goal quality", Change(wishes={"goal": "quality"})),
        ("goal=memory", Change(wishes={"goal": "memory"})),
        ("目标 memory", Change(wishes={"goal": "memory"})),
        ("hardware 8x A100-80G nvlink", Change(hardware="8x A100-80G nvlink")),
        ('--hardware "8x A100-80G nvlink"', Change(hardware="8x A100-80G nvlink")),
        ("data 20000 rows of 800 tokens", Change(data="20000 rows of 800 tokens")),
        ("数据 chats.jsonl goal speed", Change(data="chats.jsonl", wishes={"goal": "speed"})),
        ("lora_rank=32 learning_rate=1e-4", Change(pins={"lora_rank": 32, "learning_rate": 1e-4})),
        ("--set lora_rank=32", Change(pins={"lora_rank": 32})),
        ("method full", Change(pins={"method": "full"})),
        ("release method", Change(release=("method",))),
        ("time-limit 30", Change(wishes={"time_limit_minutes": 30.0})),
        ("--time-limit 30", Change(wishes={"time_limit_minutes": 30.0})),
        ("time_limit 30", Change(wishes={"time_limit_minutes": 30.0})),
        ("--cost-per-hour 2.5 goal speed", Change(wishes={"cost_per_device_hour": 2.5, "goal": "speed"})),
        ("model qwen2.5-14b-instruct", Change(model="qwen2.5-14b-instruct")),
        (
            "hardware 2x 4090 goal memory lora_rank=8",
            Change(hardware="2x 4090", wishes={"goal": "memory"}, pins={"lora_rank": 8}),
        ),
    ],
)
def test_what_if_is_read_as_it_is_typed(text: str, change: Change) -> None:
    assert read(text) == change


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Nothing is different"),
        ("goal happiness", "must be one of quality, balance, speed, memory"),
        ("goal qualty", "Did you mean `quality`?"),
        ("lora_rnk=3", "Did you mean `lora_rank`?"),
        ("lora_rank=many", "a whole number"),
        ("gaol quality", "Did you mean `goal`?"),
        ("time_limit soon", "greater than 0"),
        ("hardware", "needs a value"),
        ('hardware "8x', "not closed"),
        ("release lora_rnk", "Did you mean `lora_rank`?"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(text)
    assert words in refused.value.sentence()


def test_examples_can_be_read() -> None:
    assert all(not read(text).is_empty for text in EXAMPLES)
