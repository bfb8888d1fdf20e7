"""Fixes are proposed by row, change nothing by themselves, and once applied leave nothing to fix."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from planner.errors import BadInput
from runtime.data.mending import DEFAULT, FIX_TITLES, Fix, mend
from runtime.data.scan import scan
from tests.runtime.data_files import write_rows
from tests.runtime.test_data_findings import chat
from tests.runtime.test_data_near import ENGLISH
from tests.runtime.test_data_tools import OPENAI

GOOD = {**chat(("user", "Hi"), ("assistant", "Hello")), "source": "mine"}
CASES: list[tuple[Any, Fix, Any]] = [
    ({"messages": []}, "unusable", None),
    ([1], "unusable", None),
    (chat(("user", "a"), ("asistant", "b")), "unusable", None),
    (chat(("user", "a"), ("user", "b"), ("assistant", "c")), "mend",
     chat(("user", "a\n\nb"), ("assistant", "c"))),
    (chat(("user", "a"), ("assistant", 4)), "mend", chat(("user", "a"), ("assistant", "4"))),
    ({**chat(("user", "a\r\nb"), ("assistant", "c"), ("user", "d")), "id": 7}, "mend",
     {"id": 7, **chat(("user", "a\nb"), ("assistant", "c"))}),
    (chat(("user", "a\x1b[0m"), ("assistant", "c")), "control", chat(("user", "a[0m"), ("assistant", "c"))),
    (GOOD, "copies", None),
]  # fmt: skip


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("row", "fix", "after"), CASES)
def test_a_fix(row: Any, fix: Fix, after: Any, tmp_path: Path) -> None:
    other = chat(("user", "x"), ("assistant", "y"))
    path = write_rows(tmp_path / "data.jsonl", [GOOD, row, other])
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    proposed = mend(str(path), None)
    assert proposed.counts == {fix: 1}
    (proposal,) = proposed.first[fix]
    assert (proposal.row, proposal.line, proposal.after) == (2, 2, after)
    assert list(tmp_path.iterdir()) == [path]

    out = tmp_path / "fixed.jsonl"
    assert mend(str(path), out).counts == {fix: 1}
    assert lines(out) == [GOOD, *([after] if after else []), other]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert mend(str(out), None).counts == {}
    untouched = mend(str(path), tmp_path / "same.jsonl", fixes=("near",))
    assert untouched.counts == {}
    assert lines(tmp_path / "same.jsonl") == lines(path)


@pytest.mark.parametrize(
    ("good", "row", "after"),
    [
        ({"instruction": "a", "output": "b"}, {"instruction": "c", "output": 1, "tag": "x"},
         {"tag": "x", "instruction": "c", "input": "", "output": "1"}),
        ({"src": "a", "tgt": "b"}, {"src": ["c\0"], "tgt": ["d"]}, None),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, {"prompt": "d", "chosen": 1, "rejected": "2"},
         {"prompt": "d", "chosen": "1", "rejected": "2"}),
        ({"text": "a"}, {"text": "b\r\nc", "url": "u"}, {"url": "u", "text": "b\nc"}),
    ],
)  # fmt: skip
def test_mending_keeps_the_layout(good: Any, row: Any, after: Any, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in (good, row, {**good, "more": 1})))
    mend(str(path), tmp_path / "out.jsonl", fixes=("mend",))
    if after is None:
        assert "\\u0000" not in (tmp_path / "out.jsonl").read_text()
    else:
        assert lines(tmp_path / "out.jsonl")[1] == after
    assert scan(str(tmp_path / "out.jsonl"), None).finding_counts.keys() <= {
        "row.duplicate",
        "upstream.split",
    }


def test_tool_calls_are_not_flattened_by_mending(tmp_path: Path) -> None:
    row = json.loads(json.dumps(OPENAI))
    row["messages"][0]["content"] = "Weather\r\nin Rom?"
    mend(str(write_rows(tmp_path / "a.jsonl", [row])), tmp_path / "b.jsonl")
    (written,) = lines(tmp_path / "b.jsonl")
    assert written["messages"][0]["content"] == "Weather\nin Rom?"
    assert written["messages"][1]["tool_calls"][0]["function"]["name"] == "weather"
    assert written["tools"] == OPENAI["tools"]


def test_leaks_and_near_rows_of_a_set(tmp_path: Path) -> None:
    near = chat(("user", "q"), ("assistant", ENGLISH.replace("museum", "palace", 1)))
    far = chat(("user", "q"), ("assistant", ENGLISH))
    write_rows(tmp_path / "set" / "train.jsonl", [GOOD, far, near])
    write_rows(tmp_path / "set" / "dev.jsonl", [GOOD, chat(("user", "n"), ("assistant", "new"))])
    done = mend(str(tmp_path / "set"), tmp_path / "out", fixes=(*DEFAULT, "near"))
    assert done.counts == {"near": 1, "leaks": 1}
    assert lines(tmp_path / "out" / "train.jsonl") == [GOOD, far]
    assert len(lines(tmp_path / "out" / "dev.jsonl")) == 1
    assert done.first["leaks"][0].what == "the same as training row 1"


def test_length_filters(tmp_path: Path) -> None:
    rows = [chat(("user", "q"), ("assistant", "word " * count)) for count in (1, 40, 400)]
    path = str(write_rows(tmp_path / "a.jsonl", rows))
    done = mend(path, tmp_path / "b.jsonl", most=200, least=20)
    assert done.counts == {"long": 1, "short": 1}
    assert lines(tmp_path / "b.jsonl") == rows[1:2]
    with pytest.raises(BadInput, match="nothing would be left"):
        mend(path, None, least=100_000)
    with pytest.raises(BadInput, match="exists already"):
        mend(path, tmp_path / "b.jsonl")


def test_every_fix_has_a_title() -> None:
    assert set(DEFAULT) < set(FIX_TITLES)
