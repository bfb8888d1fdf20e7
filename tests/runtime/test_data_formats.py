"""Every layout in every container gives the same conversations; unknown layouts are explained."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.errors import BadInput
from runtime.data.conversation import Conversation
from runtime.data.formats import LAYOUTS
from runtime.data.scan import Scan, scan
from tests.runtime.data_files import row_in, write_rows

CONTAINERS = ("data.json", "data.jsonl", "data.csv", "data.parquet")
CONVERSATIONS = [
    Conversation(
        "You are brief.", (("What is 2 + 2?", "4"), ('And doubled,\n"please"?', "8; that is 4 + 4."))
    ),
    Conversation("", (("讲个笑话", "从前有座山。"),)),
    Conversation("", (("007", "NA"),)),
    Conversation("", (("null", "  indented\n\ttabs  "),)),
]


def read(path: Path, **options: Any) -> tuple[Scan, list[Conversation]]:
    found: list[Conversation] = []
    scanned = scan(
        str(path), None, sink=lambda role, value, conversation: found.append(conversation), **options
    )
    return scanned, found


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_in_every_container(layout: str, container: str, tmp_path: Path) -> None:
    rows = [row_in(layout, conversation.pairs, conversation.system) for conversation in CONVERSATIONS]
    scanned, found = read(write_rows(tmp_path / container, rows))
    assert found == CONVERSATIONS
    assert scanned.facts.format == layout
    assert scanned.finding_counts == {}
    assert scanned.facts.max_turns == 2
    assert scanned.facts.train_rows + scanned.facts.dev_rows == 4


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(lambda text: text.strip())
CONVERSATION = st.builds(
    Conversation,
    st.one_of(st.just(""), TEXT),
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3).map(tuple),
    negatives=st.none(),
    rejected=st.just(""),
    label=st.none(),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    suffix=st.sampled_from([".json", ".jsonl"]),
    conversations=st.lists(CONVERSATION, min_size=1, max_size=5),
)
def test_any_text_survives(layout: str, suffix: str, conversations: list[Conversation]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = [row_in(layout, conversation.pairs, conversation.system) for conversation in conversations]
        _, found = read(write_rows(Path(folder, f"data{suffix}"), rows))
    assert found == conversations


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    conversations=st.lists(CONVERSATION, min_size=1, max_size=4), suffix=st.sampled_from([".csv", ".parquet"])
)
def test_any_text_survives_in_tables(conversations: list[Conversation], suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = [row_in("messages", conversation.pairs, conversation.system) for conversation in conversations]
        _, found = read(write_rows(Path(folder, f"data{suffix}"), rows))
    assert found == conversations


def test_input_joins_the_instruction(tmp_path: Path) -> None:
    row = {"instruction": "Translate.", "input": "Bonjour", "output": "Hello"}
    assert read(write_rows(tmp_path / "a.jsonl", [row]))[1] == [
        Conversation("", (("Translate.\nBonjour", "Hello"),))
    ]


def test_text_that_looks_like_a_list_stays_text(tmp_path: Path) -> None:
    rows = [{"src": "[1, 2, 3]", "tgt": "[3, 2, 1]"}]
    assert read(write_rows(tmp_path / "a.jsonl", rows))[1] == [
        Conversation("", (("[1, 2, 3]", "[3, 2, 1]"),))
    ]


def test_semicolons_and_tabs_separate_columns_too(tmp_path: Path) -> None:
    for separator in ";\t":
        path = tmp_path / "a.csv"
        path.write_text(f"instruction{separator}output\nHi{separator}Hello, you\n", encoding="utf-8")
        assert read(path)[1] == [Conversation("", (("Hi", "Hello, you"),))]


def test_content_parts_and_record_of_lists(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "What "}, {"type": "text", "text": "now?"}]
    listed = {"role": ["user", "assistant"], "content": ["What now?", "Go."]}
    rows = [
        {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "Go."}]},
        {"messages": listed},
    ]
    expected = Conversation("", (("What now?", "Go."),))
    assert read(write_rows(tmp_path / "a.jsonl", rows))[1] == [expected, expected]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "a", "response": "b"}, "Rename `prompt` to `instruction` and `response` to `output`."),
        (
            {"Instruction": "a", "Output": "b"},
            "Rename `Instruction` to `instruction` and `Output` to `output`.",
        ),
        ({"instruction": "a", "ouput": "b"}, "Rename `ouput` to `output`."),
        ({"conversation": []}, "Rename `conversation` to `conversations`."),
        ({"source": "a", "target": "b"}, "Rename `source` to `src` and `target` to `tgt`."),
        ({"colour": 1, "size": 2}, "`colour`, `size` fit no known layout. Accepted rows: alpaca"),
        ({"chosen": {}, "other": {}}, "`chosen`, `other` fit no known layout. Accepted rows: alpaca"),
        ({"messages": [], "src": "a", "tgt": "b"}, "fit several layouts: messages (2 of 2 rows) and src_tgt"),
    ],
)
def test_other_layouts_are_explained(row: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "data.jsonl", [row, row])
    with pytest.raises(BadInput) as error:
        scan(str(path), None)
    assert said in error.value.sentence()
    assert str(path) in error.value.what


def test_rows_of_two_layouts_in_one_file(tmp_path: Path) -> None:
    rows = [{"src": "a", "tgt": "b"}, {"instruction": "a", "output": "b"}]
    with pytest.raises(BadInput, match="fit several layouts"):
        scan(str(write_rows(tmp_path / "data.json", rows)), None)


SETS = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(not SETS.is_dir(), reason="the real sets are not on this machine")
@pytest.mark.parametrize(
    ("name", "layout", "rows"),
    [
        ("alpaca_zh_demo.json", "alpaca", 600),
        ("alpaca_en_demo.json", "alpaca", 600),
        ("glaive_toolcall_zh_demo.json", "sharegpt", 150),
    ],
)
def test_real_sets(name: str, layout: str, rows: int) -> None:
    scanned, found = read(SETS / name)
    assert (scanned.facts.format, scanned.rows_read, scanned.facts.unusable_rows) == (layout, rows, 0)
    assert len(found) == rows == len(json.loads((SETS / name).read_text(encoding="utf-8")))
