"""Facts one kind at a time: a tiny real model, real files, this machine; and how a search is ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner.errors import BadInput, Interrupted
from planner.interview.finding import ToFind
from planner.interview.interview import Interview
from planner.interview.questions.stage import DETECTED
from runtime.find_facts import find, find_data, find_hardware, find_model
from runtime.gather import gather
from runtime.near_files import near_files

Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, Rows], Path]:
    def to_file(name: str, rows: Rows) -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return to_file


CHATS: Rows = [{"instruction": f"say {n}", "output": f"{n} " * 3} for n in range(40)]
PAIRS: Rows = [
    {"prompt": f"say {n}", "chosen": f"Yes, {n}.", "rejected": "No, never in my life.", "score": 0.5}
    for n in range(40)
]
TALKED_PAIRS: Rows = [
    {"chosen": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": f"hello {n}"}],
     "rejected": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "what"}]}
    for n in range(40)
]  # fmt: skip
JUDGED: Rows = [{"prompt": "hi", "completion": f"hello {n}", "label": n % 2 == 0} for n in range(40)]
TEXTS: Rows = [{"text": f"The {n}th day was like the one before it."} for n in range(40)]
PADDLE_PAIRS: Rows = [{"src": ["hi"], "tgt": [], "response": [["hello"], ["what"]], "sort": [1, 0]}] * 10


@pytest.mark.parametrize(
    ("rows", "layout", "stage"),
    [
        (CHATS, "alpaca", "sft"),
        (PAIRS, "preference", "dpo"),
        (TALKED_PAIRS, "preference", "dpo"),
        (PADDLE_PAIRS, "preference", "dpo"),
        (JUDGED, "labelled", "kto"),
        (TEXTS, "text", "pretrain"),
    ],
)
def test_rows_of_every_kind_are_counted_by_the_models_tokenizer(
    rows: Rows, layout: str, stage: str, write: Callable[[str, Rows], Path], tiny_hf_model: Path
) -> None:
    data = find_data(str(write("rows.jsonl", rows)), find_model(str(tiny_hf_model)))
    assert (data.format, DETECTED[data.format]) == (layout, stage)
    assert data.train_rows + data.dev_rows == len(rows)
    assert data.lengths.counted
    assert 0 < data.lengths.answer_total <= data.lengths.total


def test_a_pair_is_as_long_as_its_prompt_and_both_answers(
    write: Callable[[str, Rows], Path], tiny_hf_model: Path
) -> None:
    data = find_data(str(write("pairs.jsonl", PAIRS[:10])), find_model(str(tiny_hf_model)), dev_fraction=0)
    row = PAIRS[0]
    # the tiny tokenizer has one token per byte, and one for each mark of a turn
    frames = len("<user\n>\n<assistant\n") + len(">\n") + len(">\n")
    assert data.lengths.p50 == len(row["prompt"]) + len(row["chosen"]) + len(row["rejected"]) + frames


def test_rows_without_an_answer_are_counted_as_unusable(write: Callable[[str, Rows], Path]) -> None:
    rows = [*PAIRS[:5], {"prompt": "x", "chosen": "", "rejected": ""}]
    data = find_data(str(write("pairs.jsonl", rows)), None)
    assert data.unusable_rows == 1
    assert not data.lengths.counted


def test_pairs_are_not_planned_for_supervised_fine_tuning(
    write: Callable[[str, Rows], Path], tiny_hf_model: Path, tmp_path: Path
) -> None:
    pairs = str(write("pairs.jsonl", PAIRS))
    with pytest.raises(BadInput, match="preference pairs"):
        gather(str(tiny_hf_model), pairs, "4090", where=tmp_path)
    assert gather(str(tiny_hf_model), pairs, "4090", where=tmp_path, stage="dpo").data.format == "preference"


def test_an_interview_finds_what_it_misses_and_says_what_it_found(
    write: Callable[[str, Rows], Path], tiny_hf_model: Path, tmp_path: Path
) -> None:
    write("pairs.jsonl", PAIRS)
    interview, said = Interview(), []
    for line in ("", str(tiny_hf_model), "pairs.jsonl"):
        interview = interview.answer(line) if line else interview
        for sought in interview.missing():
            found = find(sought, where=tmp_path, folder=tmp_path)
            interview = interview.take(sought, found)
            said.append(found.because)
    assert interview.facts() is not None
    assert [sentence.split()[:2] for sentence in said] == [["I", "found"]] * 3
    assert "38 rows to train on" in said[2]
    assert interview.known.answers["stage"].provenance == "detected"


def test_a_callback_that_raises_ends_the_search(write: Callable[[str, Rows], Path]) -> None:
    def cancelled(*_: object) -> None:
        raise Interrupted("Cancelled.")

    for rows in (CHATS, PAIRS):
        path = str(write("rows.jsonl", rows))
        with pytest.raises(Interrupted):
            find_data(path, None, progress=cancelled)
    with pytest.raises(Interrupted):
        find(ToFind("data", path), where=Path(), folder=Path(), report=cancelled)


def test_hardware_is_described_or_looked_at(tmp_path: Path) -> None:
    assert find_hardware("2x 4090", tmp_path).device_count == 2
    assert find_hardware(None, tmp_path).origin == "probed"
    with pytest.raises(BadInput):
        find_hardware("a potato", tmp_path)


def test_only_data_files_are_near(write: Callable[[str, Rows], Path], tmp_path: Path) -> None:
    write("chats.jsonl", CHATS)
    write("train_pairs.jsonl", PAIRS)
    write("log.jsonl", [{"time": 1, "level": "info"}])
    (tmp_path / "package.json").write_text('{"name": "x", "version": "1"}')
    (tmp_path / "broken.json").write_text("[{")
    (tmp_path / "rows.csv").write_text("instruction,output\nsay hi,hi\n")
    (tmp_path / "notes.txt").write_text("none")
    assert near_files(tmp_path) == ("train_pairs.jsonl", "chats.jsonl", "rows.csv")
    assert near_files(tmp_path / "nowhere") == ()


@pytest.mark.parametrize("name", ["nowhere.jsonl", "steersman-dmo"])
def test_data_that_is_not_there_is_said_before_anything_is_fetched(name: str) -> None:
    with pytest.raises(BadInput, match="There is no data set"):
        find_data(name, None, report=lambda sentence: pytest.fail(sentence))
