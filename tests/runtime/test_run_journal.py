"""The journal: what a crash may do to it, what a person may do to it, and what is made of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.errors import BadInput
from runtime.events import Log, Metric
from runtime.run import journal
from runtime.run.journal import Journal, JournalTail


def log(message: str) -> Log:
    return Log(t=1.5, stage="train", message=message)


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    writer = Journal(path)
    writer.append(log("one"), log("zwei\u2028\nlines"))
    writer.append(Metric(t=2, stage="train", step=3, values={"loss": float("nan"), "rate": float("inf")}))
    writer.close()
    first, second, metric = journal.read(path)
    assert (first, second) == (log("one"), log("zwei\u2028\nlines"))
    assert isinstance(metric, Metric)
    assert metric.values["loss"] != metric.values["loss"], "NaN survives JSON"
    assert metric.values["rate"] == float("inf")


@pytest.mark.parametrize("torn", [b'{"t":1,"stage', b"\0\0\0\0\0\0", b"{"])
def test_a_torn_last_line_is_ignored_and_removed_by_the_next_writer(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).append(log("one"))
    path.write_bytes(path.read_bytes() + torn)
    assert journal.read(path) == [log("one")]
    writer = Journal(path)
    assert writer.removed_bytes == len(torn)
    writer.append(log("two"))
    assert journal.read(path) == [log("one"), log("two")]


def test_a_last_line_that_lacks_only_its_newline_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).append(log("one"), log("two"))
    path.write_bytes(path.read_bytes()[:-1])
    assert Journal(path).removed_bytes == 0
    assert journal.read(path) == [log("one"), log("two")]


def test_a_damaged_line_is_refused_in_one_sentence_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).append(log("one"), log("two"), log("three"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"t": 1, "kind": "surprise"}\n' + lines[2])
    with pytest.raises(BadInput, match=r"journal.jsonl, line 2: not a valid event\.") as caught:
        journal.read(path)
    assert "Delete that line and resume" in caught.value.remedy


def test_a_tail_follows_across_writes_and_repairs(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    tail = JournalTail(path)
    assert tail.read() == []
    writer = Journal(path)
    writer.append(log("one"))
    with path.open("ab") as file:
        file.write(b'{"t": 7, "torn')
    assert tail.read() == [log("one")]
    assert tail.read() == []
    writer.close()
    Journal(path).append(log("two"))
    assert tail.read() == [log("two")]


def test_large_journals_are_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    writer = Journal(path)
    writer.append(*(log("x" * 1000) for _ in range(9000)))  # more than one chunk
    assert len(journal.read(path)) == 9000
