"""Preference pairs, judged answers and plain texts: every layout gives the same rows, and the engine gets
them as its own reader wants them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.errors import BadInput
from runtime.data.conversation import Conversation, plain_text
from runtime.data.formats import ALL_LAYOUTS, OTHER_LAYOUTS, STAGES, kind_of, layouts_of
from runtime.data.prepare import Prepared, prepare
from runtime.data.scan import scan
from tests.runtime.data_files import write_rows
from tests.runtime.test_data_findings import scan_rows
from tests.tiny_model import write_tokenizer

PAIR = Conversation("Be brief.", (("Hi", "Hello"), ("And?", "Good.")), rejected="Bad.")
PASSAGES = Conversation("", (("Hi", "Good."), ("", "Yes.")), negatives=("Bad.",))
JUDGED = Conversation("", (("Hi", "Hello"), ("And?", "Good.")), label=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return folder


def said(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in turns]


def told(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"from": role, "value": text} for role, text in turns]


PROMPT = said(("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "And?"))
BETTER, WORSE = said(("assistant", "Good.")), said(("assistant", "Bad."))
TOLD = told(("human", "Hi"), ("gpt", "Hello"), ("human", "And?"))
HISTORY = {"instruction": "And?", "input": "", "history": [["Hi", "Hello"]], "system": "Be brief."}
SPOKEN = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: And?\n\nAssistant:"
SRC = {"src": ["Hi", "And?"], "tgt": ["Hello"], "context": {"system": "Be brief."}}

PAIRS: list[tuple[str, dict[str, Any], Conversation]] = [
    ("sharegpt_pairs", {"conversations": TOLD, "system": "Be brief.", "chosen": told(("gpt", "Good."))[0],
                        "rejected": told(("gpt", "Bad."))[0]}, PAIR),
    ("messages_pairs", {"prompt": "And?", "chosen": PROMPT + BETTER, "rejected": PROMPT + WORSE,
                        "score_chosen": 8.0}, PAIR),
    ("messages_pairs", {"prompt": PROMPT, "chosen": BETTER, "rejected": WORSE}, PAIR),
    ("messages_pairs", {"messages": PROMPT, "chosen": BETTER[0], "rejected": WORSE[0]}, PAIR),
    ("response_pairs", {"messages": PROMPT, "chosen_response": BETTER, "rejected_response": WORSE}, PAIR),
    ("alpaca_pairs", {**HISTORY, "chosen": "Good.", "rejected": "Bad."}, PAIR),
    ("prompt_pairs", {"prompt": SPOKEN, "chosen": "Good.", "rejected": "Bad.", "system": "Be brief."}, PAIR),
    ("hh_pairs", {"chosen": SPOKEN + " Good.", "rejected": SPOKEN + " Bad."}, PAIR._replace(system="")),
    ("src_tgt_pairs", {**SRC, "response": ["Good.", "Bad."], "sort": [1, 0]}, PAIR),
    ("src_tgt_pairs", {**SRC, "response": [["Bad."], ["Good."]], "sort": [0, 1]}, PAIR),
    ("messages_labels", {"messages": PROMPT[1:] + BETTER, "label": False}, JUDGED),
    ("messages_labels", {"messages": PROMPT[1:] + BETTER, "kto_tag": 0}, JUDGED),
    ("sharegpt_labels", {"conversations": [*TOLD, *told(("gpt", "Good."))], "label": "False"}, JUDGED),
    ("alpaca_labels", {**HISTORY, "system": "", "output": "Good.", "label": False}, JUDGED),
    ("prompt_labels", {"prompt": PROMPT[1:], "completion": BETTER, "label": False}, JUDGED),
    ("src_tgt_labels", {"src": ["Hi", "And?"], "tgt": ["Hello"], "response": ["Good."], "sort": [0]}, JUDGED),
    ("text", {"text": "A whole text.", "url": "x"}, plain_text("A whole text.")),
    ("passages", {"query": "Hi", "pos_passage": ["Good.", "Yes."], "neg_passage": ["Bad."]}, PASSAGES),
    ("flag_passages", {"query": "Hi", "pos": ["Good.", "Yes."], "neg": ["Bad."]}, PASSAGES),
    ("query_passages", {"query": "Hi", "positive": ["Good.", "Yes."], "negative": "Bad."}, PASSAGES),
    ("triplets", {"anchor": "Hi", "positive": ["Good.", "Yes."], "negative": "Bad."}, PASSAGES),
]  # fmt: skip


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
@pytest.mark.parametrize(("layout", "row", "expected"), PAIRS, ids=[case[0] for case in PAIRS])
def test_every_layout(
    layout: str, row: dict[str, Any], expected: Conversation, suffix: str, tmp_path: Path
) -> None:
    assert layouts_of(row) == (layout,)
    path = write_rows(tmp_path / f"data{suffix}", [row])
    found: list[Conversation] = []
    scanned = scan(str(path), None, sink=lambda role, value, conversation: found.append(conversation))
    assert found == [expected]
    facts = scanned.facts
    assert (facts.format, facts.layout) == (kind_of(layout), layout)
    assert facts.stages == STAGES[kind_of(layout)]
    assert scanned.finding_counts == {}


def test_every_other_layout_is_in_the_table() -> None:
    assert {case[0] for case in PAIRS} == set(OTHER_LAYOUTS)
    assert all(
        set(json.loads(json.dumps(layout.example)) and layout.required) for layout in ALL_LAYOUTS.values()
    )


GOOD_PAIR = {"prompt": "Hi", "chosen": "Hello", "rejected": "No"}
TWO = said(("user", "a"), ("assistant", "b"))
GOOD_QUERY = {"query": "Hi", "pos": ["Yes"], "neg": ["No"]}
GOOD_LABEL = {"prompt": "Hi", "completion": "Hello", "label": True}


@pytest.mark.parametrize(
    ("good", "row", "code", "field"),
    [
        (GOOD_PAIR, {**GOOD_PAIR, "rejected": "Hello "}, "pair.equal", "rejected"),
        (GOOD_PAIR, {**GOOD_PAIR, "rejected": "  "}, "answer.empty", "rejected"),
        (GOOD_PAIR, {**GOOD_PAIR, "chosen": ""}, "answer.empty", "chosen"),
        (GOOD_PAIR, {**GOOD_PAIR, "rejected": None}, "field.missing", "rejected"),
        (GOOD_PAIR, {**GOOD_PAIR, "prompt": ""}, "prompt.empty", "prompt"),
        (GOOD_PAIR, {**GOOD_PAIR, "chosen": ["a", "b"]}, "field.type", "chosen"),
        (
            {"chosen": PROMPT + BETTER, "rejected": PROMPT + WORSE},
            {"chosen": TWO, "rejected": said(("user", "c"), ("assistant", "d"))},
            "pair.diverges",
            "chosen[0].content",
        ),
        (PAIRS[8][1], {**PAIRS[8][1], "sort": [1, 1]}, "label.missing", "sort"),
        (PAIRS[8][1], {**PAIRS[8][1], "tgt": []}, "turns.unequal", "tgt"),
        (PAIRS[8][1], {**PAIRS[8][1], "response": ["a", "b", "c"]}, "field.type", "response"),
        (GOOD_LABEL, {**GOOD_LABEL, "label": "perhaps"}, "label.missing", "label"),
        (GOOD_LABEL, {"prompt": "Hi", "completion": "Hello"}, "label.missing", "label"),
        (PAIRS[10][1], {"messages": PROMPT[1:] + BETTER}, "label.missing", "label"),
        ({"text": "a"}, {"text": " \n"}, "answer.empty", "text"),
        ({"text": "a"}, {"text": None}, "field.missing", "text"),
        (GOOD_QUERY, {**GOOD_QUERY, "query": " "}, "prompt.empty", "query"),
        (GOOD_QUERY, {**GOOD_QUERY, "pos": []}, "answer.missing", "pos"),
        (GOOD_QUERY, {**GOOD_QUERY, "pos": [{"a": 1}]}, "field.type", "pos[0]"),
    ],
)  # fmt: skip
def test_defects(good: dict[str, Any], row: dict[str, Any], code: str, field: str, tmp_path: Path) -> None:
    findings, found = scan_rows(write_rows(tmp_path / "data.jsonl", [good, row, good, good]))
    assert [(finding.code, finding.field) for finding in findings[2]] == [(code, field)]
    assert len(found) == 3


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        ({**GOOD_QUERY, "neg": ["No", ""]}, "passage.empty", "neg[1]"),
        ({**GOOD_QUERY, "neg": ["No", "Yes"]}, "passage.both", "neg"),
    ],
)
def test_passages_that_are_left_out(row: dict[str, Any], code: str, field: str, tmp_path: Path) -> None:
    findings, found = scan_rows(write_rows(tmp_path / "data.jsonl", [{**GOOD_QUERY, "query": "Ho"}, row]))
    assert [(finding.code, finding.field) for finding in findings[2]] == [(code, field)]
    assert [one.negatives for one in found] == [("No",), ("No",)]


def test_data_for_another_training_is_refused(tmp_path: Path) -> None:
    pairs = write_rows(tmp_path / "pairs.jsonl", [GOOD_PAIR])
    with pytest.raises(BadInput, match="preference pairs") as error:
        scan(str(pairs), None, stage="sft")
    assert error.value.remedy.startswith("Train with dpo")
    assert scan(str(pairs), None, stage="reward", dev_fraction=0).facts.train_rows == 1
    with pytest.raises(BadInput, match="these are conversations"):
        scan(str(write_rows(tmp_path / "a.jsonl", [{"src": "a", "tgt": "b"}])), None, stage="kto")


def test_files_of_two_kinds_are_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "set" / "train-0.jsonl", [GOOD_PAIR])
    write_rows(tmp_path / "set" / "train-1.jsonl", [GOOD_LABEL])
    with pytest.raises(BadInput, match=r"train-1.jsonl holds prompt_labels rows, the files before it prompt"):
        scan(str(tmp_path / "set"), None)


def prepared(rows: list[Any], model: Path, folder: Path, **options: int) -> tuple[Prepared, list[Any]]:
    settings = {"max_length": 200, "src_length": 100, "seed": 1, **options}
    done = prepare(
        str(write_rows(folder / "data.jsonl", rows)),
        model,
        folder / "out",
        dev_fraction=0,
        expected_fingerprint=None,
        **settings,
    )
    return done, [json.loads(line) for line in (folder / "out" / "train.json").read_text().splitlines()]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (PAIRS[0][1], {"src": ["Hi", "And?"], "tgt": ["Hello"], "response": ["Good.", "Bad."], "sort": [1, 0],
                       "system": "Be brief.", "context": {"system": "Be brief."}}),
        (PAIRS[10][1], {"src": ["Hi", "And?"], "tgt": ["Hello"], "response": ["Good."], "sort": [0]}),
        ({"text": "A text."}, {"text": "A text."}),
    ],
)  # fmt: skip
def test_prepared_rows(row: dict[str, Any], expected: dict[str, Any], model: Path, tmp_path: Path) -> None:
    assert prepared([row], model, tmp_path)[1] == [expected]


def test_only_the_answers_of_a_pair_carry_loss(model: Path, tmp_path: Path) -> None:
    """One token per byte: three turns with their frames are read, two answers with their ends are learnt."""
    facts = prepared([PAIRS[0][1]], model, tmp_path)[0].scan.facts
    rendered = "".join(f"<{message['role']}\n{message['content']}>\n" for message in PROMPT)
    answers = "Good.>\n" + "Bad.>\n"
    assert facts.lengths.total == len(rendered) + len("<assistant\n") + len(answers)
    assert facts.lengths.answer_total == len(answers)
    (sample,) = scan(str(tmp_path / "data.jsonl"), model, dev_fraction=0).samples
    assert [answer for _, answer in sample.parts] == ["Good.<|im_end|>\n", "Bad.<|im_end|>\n"]
    assert "Hello<|im_end|>" in sample.parts[0][0]
    assert sum(map(sum, sample.lengths)) == facts.lengths.total


def test_long_pairs_lose_their_oldest_turns_then_answers_in_proportion(model: Path, tmp_path: Path) -> None:
    turns = [("user", f"question {n}") if n % 2 == 0 else ("assistant", f"answer {n}") for n in range(9)]
    row = {"prompt": said(*turns), "chosen": "a" * 150, "rejected": "b" * 50}
    done, (written,) = prepared([row], model, tmp_path, max_length=128, src_length=64)
    assert (written["src"], written["tgt"]) == (["question 8"], [])
    assert written["response"] == ["a" * 150, "b" * 50]
    assert done.scan.finding_counts == {"length.answer_cut": 1, "length.rounds_cut": 1}
    assert done.scan.facts.lengths.max == 128


def test_texts_are_not_cut_and_end_with_the_end_token(model: Path, tmp_path: Path) -> None:
    done, rows = prepared([{"text": "x" * 500}], model, tmp_path)
    assert rows == [{"text": "x" * 500}]
    assert done.scan.facts.lengths.total == done.scan.facts.lengths.answer_total == 501


SETS = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(not SETS.is_dir(), reason="the real sets are not on this machine")
@pytest.mark.parametrize(
    ("name", "layout", "rows"),
    [
        ("dpo_en_demo.json", "sharegpt_pairs", 150),
        ("kto_en_demo.json", "messages_labels", 100),
        ("c4_demo.jsonl", "text", 150),
    ],
)
def test_real_sets(name: str, layout: str, rows: int, model: Path, tmp_path: Path) -> None:
    data = str(SETS / name)
    done = prepare(data, model, tmp_path / "out", max_length=8192, src_length=4096, seed=1, dev_fraction=0.1,
                   expected_fingerprint=None)  # fmt: skip
    facts = done.scan.facts
    assert (facts.layout, facts.unusable_rows, done.scan.rows_read) == (layout, 0, rows)
    assert sum(done.rows.values()) == rows
