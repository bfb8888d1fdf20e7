"""Converting between all layouts: what comes back is what went in, as far as both can say it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.errors import BadInput
from runtime.data.conversation import Conversation, Message
from runtime.data.convert import convert
from runtime.data.example import Example, example_of, read_example
from runtime.data.formats import ALL_LAYOUTS, LAYOUTS, kind_of
from runtime.data.retrieval import Retrieval
from runtime.data.scan import scan
from runtime.data.writing import WRITERS, write_file
from tests.runtime.data_files import write_rows
from tests.runtime.test_data_tools import OPENAI, SHAREGPT, TOOL

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(
    lambda text: text.strip() and "\n\nHuman:" not in text
)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3).map(tuple)
SYSTEM = st.one_of(st.just(""), TEXT)
NEITHER = {"rejected": st.just(""), "label": st.none(), "negatives": st.none()}
OF_KIND = {
    "conversation": st.builds(Conversation, SYSTEM, PAIRS, **NEITHER),
    "preference": st.builds(Conversation, SYSTEM, PAIRS, **{**NEITHER, "rejected": TEXT}).filter(
        lambda row: row.rejected.strip() != row.pairs[-1][1].strip()
    ),
    "labelled": st.builds(Conversation, SYSTEM, PAIRS, **{**NEITHER, "label": st.booleans()}),
    "text": st.builds(Conversation, st.just(""), st.tuples(st.tuples(st.just(""), TEXT)), **NEITHER),
    "retrieval": st.builds(
        lambda query, found, n: Retrieval(query, tuple(found[:n]), tuple(found[n:])).conversation(),
        TEXT, st.lists(TEXT, min_size=1, max_size=4, unique_by=str.strip), st.integers(1, 3)),
}  # fmt: skip
NOWHERE_FOR_SYSTEM = {"hh_pairs"}


def read(path: Path) -> list[Conversation]:
    found: list[Conversation] = []
    scan(str(path), None, sink=lambda role, value, conversation: found.append(conversation))
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), have=st.sampled_from(sorted(ALL_LAYOUTS)), suffix=st.sampled_from([".jsonl", ".json"]))
def test_round_trip_between_all_layouts(data: st.DataObject, have: str, suffix: str) -> None:
    same = sorted(name for name in ALL_LAYOUTS if kind_of(name) == kind_of(have))
    want = data.draw(st.sampled_from(same))
    rows = data.draw(st.lists(OF_KIND[kind_of(have)], min_size=1, max_size=4))
    if {have, want} & NOWHERE_FOR_SYSTEM:
        rows = [row._replace(system="") for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        start = write_rows(Path(folder, f"a{suffix}"), [WRITERS[have](example_of(row)) for row in rows])
        there, back = Path(folder, f"b{suffix}"), Path(folder, "c.jsonl")
        done = convert(str(start), there, want)
        assert (done.rows_read, done.left_out, done.files) == (len(rows), 0, {there: len(rows)})
        convert(str(there), back, have)
        assert read(there) == rows
        assert read(back) == rows


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json", ".jsonl"])
@pytest.mark.parametrize("layout", sorted(ALL_LAYOUTS))
def test_every_layout_in_every_container(layout: str, suffix: str, tmp_path: Path) -> None:
    kind = kind_of(layout)
    row = {
        "conversation": Conversation("", (("Hi", "Hello"), ("And, so?", 'Good "day".\nYes'))),
        "preference": Conversation("", (("Hi", "Hello"), ("And?", "Good")), rejected="Bad"),
        "labelled": Conversation("", (("Hi", "Hello"),), label=True),
        "text": Conversation("", (("", "A text,\nof two lines."),)),
        "retrieval": Conversation("", (("Hi", "One,\nof two"), ("", "[two]")), negatives=("Not",)),
    }[kind]
    start = write_rows(tmp_path / "a.jsonl", [WRITERS[layout](example_of(row))] * 3)
    there = tmp_path / f"b{suffix}"
    convert(str(start), there, layout)
    assert read(there) == [row] * 3


@pytest.mark.parametrize("row", [OPENAI, SHAREGPT], ids=["openai", "sharegpt"])
def test_tool_calls_survive_between_the_layouts_that_know_them(row: dict[str, Any], tmp_path: Path) -> None:
    start = write_rows(tmp_path / "a.jsonl", [row])
    for name, layout in (("b", "sharegpt"), ("c", "messages"), ("d", "sharegpt")):
        done = convert(str(start), tmp_path / f"{name}.jsonl", layout)
        assert (done.tools_as_text, done.left_out) == (0, 0)
        start = tmp_path / f"{name}.jsonl"
    assert json.loads(start.read_text()) == SHAREGPT
    back = json.loads((tmp_path / "c.jsonl").read_text())
    assert back["tools"] == [{"type": "function", "function": TOOL}]
    assert (
        back["messages"][1]["tool_calls"][0]["function"] == OPENAI["messages"][1]["tool_calls"][0]["function"]
    )
    assert [turn["role"] for turn in back["messages"]] == [turn["role"] for turn in OPENAI["messages"]]


def test_tool_calls_become_text_elsewhere_and_that_is_counted(tmp_path: Path) -> None:
    done = convert(str(write_rows(tmp_path / "a.jsonl", [OPENAI])), tmp_path / "b.jsonl", "src_tgt")
    assert done.tools_as_text == 1
    (row,) = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert row["src"] == ["Weather in Rom?", "sunny", "Thanks"]


PAIR = {"prompt": "Hi", "chosen": "Hello", "rejected": "No"}


@pytest.mark.parametrize(
    ("rows", "layout", "expected", "loss"),
    [
        ([PAIR], "alpaca", [{"instruction": "Hi", "input": "", "output": "Hello"}], "rejected answers"),
        ([PAIR], "prompt_labels", [{"prompt": "Hi", "completion": "Hello", "label": True},
                                   {"prompt": "Hi", "completion": "No", "label": False}], "two rows"),
        ([{"prompt": "Hi", "completion": "Yes", "label": True},
          {"prompt": "Hi", "completion": "No", "label": False}],
         "src_tgt", [{"src": ["Hi"], "tgt": ["Yes"]}], "judged bad are left out"),
        ([{"src": "Hi", "tgt": "Hello"}], "text", [{"text": "Hi\n\nHello"}], "Roles are left out"),
    ],
)  # fmt: skip
def test_what_is_lost_is_said(
    rows: list[Any], layout: str, expected: list[Any], loss: str, tmp_path: Path
) -> None:
    done = convert(str(write_rows(tmp_path / "a.jsonl", rows)), tmp_path / "b.jsonl", layout)
    assert [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()] == expected
    assert loss in done.loss


@pytest.mark.parametrize(
    ("row", "layout", "said"),
    [
        ({"text": "a"}, "alpaca", "holds plain texts: conversations cannot be made of them."),
        ({"src": "a", "tgt": "b"}, "prompt_pairs", "holds conversations: preference pairs"),
        ({"src": "a", "tgt": "b"}, "nonsense", "There is no layout nonsense. Layouts are alpaca"),
    ],
)
def test_what_cannot_be_made_is_refused(row: dict[str, Any], layout: str, said: str, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", [row])
    with pytest.raises(BadInput) as error:
        convert(str(path), tmp_path / "b.jsonl", layout)
    assert said in error.value.sentence()
    assert not list(tmp_path.glob("*b.jsonl*"))


def test_rows_that_cannot_be_read_are_named_and_left_out(tmp_path: Path) -> None:
    good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    rows = [good, {"messages": "x"}, {"messages": [{"role": "king", "content": "c"}]}]
    done = convert(str(write_rows(tmp_path / "a.jsonl", rows)), tmp_path / "b.jsonl", "sharegpt")
    assert (done.rows_read, done.left_out) == (3, 2)
    assert [(finding.code, finding.row) for finding in done.log.first()] == [
        ("field.type", 2),
        ("role.unknown", 3),
    ]
    with pytest.raises(BadInput, match="exists already"):
        convert(str(tmp_path / "a.jsonl"), tmp_path / "b.jsonl", "sharegpt")


def test_a_set_with_a_dev_file_becomes_a_folder(tmp_path: Path) -> None:
    write_rows(tmp_path / "set" / "train.jsonl", [{"src": "a", "tgt": "b"}] * 2)
    write_rows(tmp_path / "set" / "dev.jsonl", [{"src": "c", "tgt": "d"}])
    convert(str(tmp_path / "set"), tmp_path / "out", "alpaca")
    facts = scan(str(tmp_path / "out"), None).facts
    assert (facts.layout, facts.train_rows, facts.dev_rows, facts.dev_given) == ("alpaca", 2, 1, True)


def test_every_layout_has_a_writer_and_reads_back() -> None:
    assert set(WRITERS) == set(ALL_LAYOUTS)
    assert set(LAYOUTS) < set(WRITERS)
    example = Example("conversation", (Message("user", "a", ""), Message("assistant", "b", "")))
    noted: list[str] = []
    again = read_example(WRITERS["alpaca"](example), "alpaca", lambda code, field, what: noted.append(code))
    assert again is not None
    assert [message.text for message in again.messages] == ["a", "b"]
    assert noted == []


ASKED = {"role": "user", "content": "a"}
LATE: dict[str, list[dict[str, Any]]] = {
    "a field that comes late": [{"instruction": "a", "output": "b"}] * 1200
    + [{"instruction": "a", "output": "b", "system": "Be kind.", "history": [["c", "d"]]}],
    "text, then lists": [PAIR, {**PAIR, "prompt": [ASKED]}],
    "calls that come late": [{"messages": [ASKED, {"role": "assistant", "content": "b"}]}] * 1200 + [OPENAI],
    "tools without parameters": [{**OPENAI, "tools": [{**TOOL, "parameters": {}}]}, OPENAI],
}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("name", LATE)
def test_tables_keep_what_only_later_rows_have(name: str, suffix: str, tmp_path: Path) -> None:
    there = tmp_path / f"b{suffix}"
    assert write_file(there, iter(LATE[name])) == len(LATE[name])
    start = write_rows(tmp_path / "a.jsonl", LATE[name])
    assert read(there) == read(start)
    assert len(list(tmp_path.iterdir())) == 2
