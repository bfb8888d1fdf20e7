"""Answers to a file: what rows ask, the file that can be continued, and the command with a real model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from planner.errors import BadInput
from runtime.prediction.answer_file import AnswerFile
from runtime.prediction.place import find_place
from runtime.prediction.predicting import Counts, predict, rows_of
from runtime.prediction.prompts import NoQuestion, asked
from tests.runtime.finished_run import engine_home, finished_run
from tests.runtime.results_setup import CHATS, LEARNT, Trained

USER = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("row", "messages", "reference"),
    [
        ({"messages": [USER, {"role": "assistant", "content": "Yes"}]}, [USER], "Yes"),
        ({"conversations": [{"from": "human", "value": "Hi"}]}, [USER], None),
        ({"instruction": "Add", "input": "1 1", "output": "2"},
         [{"role": "user", "content": "Add\n1 1"}], "2"),
        ({"src": ["Hi", "And?"], "tgt": ["Yes", "No"]},
         [USER, {"role": "assistant", "content": "Yes"}, {"role": "user", "content": "And?"}], "No"),
        ({"prompt": "Hi", "system": "Be brief."}, [{"role": "system", "content": "Be brief."}, USER], None),
        ({"prompt": [USER], "completion": "Yes"}, [USER], "Yes"),
        ({"conversations": [{"from": "human", "value": "Hi"}], "chosen": {"from": "gpt", "value": "Yes"},
          "rejected": {"from": "gpt", "value": "No"}}, [USER], "Yes"),
        ({"src": ["Hi"], "tgt": [], "response": ["No", "Yes"], "sort": [0, 1]}, [USER], "Yes"),
        ({"src": ["Hi"], "tgt": [], "response": ["No"], "sort": [0]}, [USER], None),
        ({"messages": [USER, {"role": "assistant", "content": "No"}], "label": False}, [USER], None),
        ("Hi", [USER], None),
    ],
)  # fmt: skip
def test_rows_of_every_layout_ask(row: Any, messages: list[dict[str, str]], reference: str | None) -> None:
    assert asked(row) == (messages, reference)


@pytest.mark.parametrize("row", [{}, {"prompt": " "}, 7, {"messages": [{"role": "user"}]}, {"messages": []}])
def test_rows_that_ask_nothing_say_why(row: Any) -> None:
    with pytest.raises(NoQuestion, match=r"row|message"):
        asked(row)


def test_a_line_that_was_cut_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text('{"row": 1}\n{"row": 2, "ans')
    with AnswerFile(path) as file:
        assert [line["row"] for line in file.lines()] == [1]
        file.append([{"row": 2}])
    assert path.read_text() == '{"row": 1}\n{"row": 2}\n'


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n")
    with AnswerFile(path) as file, pytest.raises(BadInput, match="line 1: this is no file of answers"):
        list(file.lines())
    assert path.read_text() == "my notes\n"


def test_rows_are_streamed(tmp_path: Path) -> None:
    data = tmp_path / "rows.json"
    data.write_text(json.dumps([{"prompt": "a"}, 7]))
    rows = list(rows_of(data, Counts()))
    assert [row.number for row in rows] == [1, 2]
    assert rows[1].question is None and "JSON object" in rows[1].problem


@pytest.mark.engine
def test_the_command_goes_on_where_it_was(
    taught: Trained, engine_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real model; one row is answered already, one was cut off, one asks nothing."""
    monkeypatch.setenv("STEERSMAN_HOME", str(engine_home(tmp_path / "home", engine_python)))
    run = finished_run(
        tmp_path / "run", {"convert": ("model", taught.base), "merge": ("model", taught.root / "taught")}
    )
    data, out = tmp_path / "data.jsonl", tmp_path / "answers.jsonl"
    rows = [{"messages": CHATS[0]}, {"prompt": "", "id": 3}, {"messages": CHATS[1]}, {"messages": CHATS[2]}]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first = {"row": 1, "prompt": CHATS[0], "answer": "kept", "model": "tuned", "max_new_tokens": 40}
    out.write_text(json.dumps(first) + '\n{"row": 2, "pro')
    command = [sys.executable, "-m", "tui.command_line", "predict", str(run.root), "--data", str(data)]
    command += ["--out", str(out), "--max-new-tokens", "40", "--batch-size", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert "4 rows" in done.stdout and "1 of them" in done.stdout and "1 rows have an error" in done.stdout
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["row"] for line in lines] == [1, 2, 3, 4]
    assert [line.get("answer") for line in lines] == ["kept", None, LEARNT, LEARNT]
    assert "asks nothing" in lines[1]["error"]
    for wrong in ({"max_new_tokens": 9}, {"data": [{"prompt": "other"}]}):
        other = tmp_path / "other.jsonl"
        other.write_text("".join(json.dumps(row) + "\n" for row in wrong.get("data", rows)))  # type: ignore[attr-defined]
        with pytest.raises(BadInput, match=r"was begun with|other rows"):
            predict(
                find_place(run, "tuned"),
                other,
                out,
                max_new_tokens=wrong.get("max_new_tokens", 40),  # type: ignore[arg-type]
                batch_size=2,
                report=lambda counts: None,
            )
    with pytest.raises(BadInput, match="stage train is not proven"):
        find_place(run, "adapter")
    with pytest.raises(BadInput, match="no static graph yet"):
        find_place(run, "static")
