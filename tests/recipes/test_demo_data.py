"""The bundled data: whole, without repeats, and with held-out prompts that really are held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime.data.bundled import resolve_data

FOLDER = Path(str(resolve_data("steersman-demo")))


def rows(name: str) -> list[list[dict[str, Any]]]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["messages"] for line in lines]


def first_questions(name: str) -> set[str]:
    return {messages[0]["content"] for messages in rows(name)}


def test_every_row_alternates_and_ends_with_an_answer() -> None:
    for messages in rows("train.jsonl") + rows("dev.jsonl"):
        roles = [message["role"] for message in messages]
        assert roles == ["user", "assistant"] * (len(messages) // 2)
        assert all(message["content"].strip() for message in messages)


def test_prompts_and_dev_rows_stand_in_no_training_row() -> None:
    asked = {message["content"] for messages in rows("train.jsonl") for message in messages}
    assert not first_questions("prompts.jsonl") & (asked | first_questions("dev.jsonl"))
    assert not first_questions("dev.jsonl") & asked


def test_the_sizes_that_the_docs_name() -> None:
    assert [len(rows(name)) for name in ("train.jsonl", "dev.jsonl", "prompts.jsonl")] == [110, 10, 8]


def test_the_assistant_never_takes_the_name_of_the_base_model() -> None:
    answers = [m["content"] for row in rows("train.jsonl") for m in row if m["role"] == "assistant"]
    assert not any("SmolLM" in answer for answer in answers)
    assert sum("Steersman" in answer for answer in answers) > len(answers) / 3
