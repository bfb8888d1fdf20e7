"""Each defect gives its finding, at the right row and field, and the action that the finding names."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from planner.errors import BadInput
from runtime.data.conversation import Conversation
from runtime.data.findings import KINDS, Finding, FindingLog
from runtime.data.scan import scan
from tests.runtime.data_files import write_rows

GOOD = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}


def chat(*turns: tuple[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def one(*pairs: tuple[str, str], system: str = "") -> Conversation:
    return Conversation(system, pairs)


MESSAGES: list[tuple[Any, str, str, Conversation | None]] = [
    ([1, 2], "row.not_object", "", None),
    ("text", "row.not_object", "", None),
    ({"other": 1}, "field.missing", "messages", None),
    ({"messages": "Hi"}, "field.type", "messages", None),
    ({"messages": ["Hi"]}, "field.type", "messages[0]", None),
    (chat(("user", ["Hi"]), ("assistant", "b")), "field.type", "messages[0].content", None),
    (chat(("user", None), ("assistant", "b")), "field.missing", "messages[0].content", None),
    (chat(("user", [{"type": "image_url"}]), ("assistant", "b")), "field.type", "messages[0].content", None),
    (chat(("user", "a"), ("asistant", "b")), "role.unknown", "messages[1].role", None),
    ({"messages": [{"content": "a"}]}, "role.unknown", "messages[0].role", None),
    (
        chat(("user", "a"), ("assistant", "b"), ("system", "c")),
        "role.late_system",
        "messages[2].content",
        None,
    ),
    ({"messages": []}, "answer.missing", "", None),
    (chat(("user", "a")), "answer.missing", "messages[0].content", None),
    (chat(("assistant", "a")), "prompt.empty", "messages[0].content", None),
    (chat(("user", " "), ("assistant", "b")), "prompt.empty", "messages[0].content", None),
    (chat(("user", "a"), ("assistant", "\n")), "answer.empty", "messages[1].content", None),
    (
        chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "")),
        "turns.cut",
        "messages[3].content",
        one(("a", "b")),
    ),
    (
        chat(("user", "a"), ("user", "b"), ("assistant", "c")),
        "role.repeated",
        "messages[1].content",
        one(("a\n\nb", "c")),
    ),
    (
        chat(("assistant", "a"), ("user", "b"), ("assistant", "c")),
        "role.first_assistant",
        "messages[0].content",
        one(("b", "c")),
    ),
    (
        chat(("user", "a"), ("assistant", "b"), ("user", "c")),
        "role.last_user",
        "messages[2].content",
        one(("a", "b")),
    ),
    (chat(("user", "a"), ("tool", "b"), ("assistant", "c")), "role.tool", "messages", one(("a\n\nb", "c"))),
    (chat(("user", "a"), ("assistant", 42)), "text.number", "messages[1].content", one(("a", "42"))),
    (chat(("user", "a\0b"), ("assistant", "c")), "text.nul", "messages[0].content", one(("ab", "c"))),
    (
        chat(("user", "a\r\nb"), ("assistant", "c")),
        "text.carriage_return",
        "messages[0].content",
        one(("a\nb", "c")),
    ),
    (
        chat(("user", "a\x1b[0m"), ("assistant", "c")),
        "text.control",
        "messages[0].content",
        one(("a\x1b[0m", "c")),
    ),
    ({**GOOD, "tools": "[...]"}, "field.ignored", "tools", one(("Hi", "Hello"))),
    (GOOD, "row.duplicate", "", one(("Hi", "Hello"))),
    (chat(("user", "say no"), ("assistant", "no")), "upstream.split", "", one(("say no", "no"))),
]


def scan_rows(path: Path) -> tuple[dict[int, list[Finding]], list[Conversation]]:
    """Return row number -> findings, through the log of all findings, and the usable conversations."""
    found: list[Conversation] = []
    log = io.StringIO()
    scan(
        str(path), None, sink=lambda role, value, conversation: found.append(conversation), findings_sink=log
    )
    by_row: dict[int, list[Finding]] = {}
    for line in log.getvalue().splitlines():
        entry = json.loads(line)
        del entry["severity"], entry["action"]
        by_row.setdefault(entry["row"], []).append(Finding(**entry))
    return by_row, found


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
@pytest.mark.parametrize(("row", "code", "field", "expected"), MESSAGES, ids=[case[1] for case in MESSAGES])
def test_defects_of_messages(
    row: Any, code: str, field: str, expected: Conversation | None, suffix: str, tmp_path: Path
) -> None:
    other = chat(("user", "x"), ("assistant", "y"))
    path = write_rows(tmp_path / f"data{suffix}", [GOOD, row, other])
    findings, conversations = scan_rows(path)
    assert (code, field) in [(finding.code, finding.field) for finding in findings[2]]
    assert set(findings) == {2}
    assert findings[2][0].line == (2 if suffix == ".jsonl" else _line_of_row(path, 2))
    assert findings[2][0].file == path.name
    assert conversations == [one(("Hi", "Hello")), *([expected] if expected else []), one(("x", "y"))]
    assert KINDS[code].action == "row dropped" if expected is None else KINDS[code].action != "row dropped"


def _line_of_row(path: Path, row: int) -> int:
    """Return the line on which a top-level row of an indented list starts."""
    starts = [
        number
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line[:1] == " " and line[1:2] not in " ]}"
    ]
    return starts[row - 1]


@pytest.mark.parametrize(
    ("rows", "code", "field"),
    [
        ([{"instruction": "a", "input": ""}], "answer.missing", "output"),
        ([{"output": "a"}], "field.missing", "instruction"),
        ([{"instruction": "a", "output": None}], "answer.missing", "output"),
        ([{"instruction": "", "input": "", "output": "b"}], "prompt.empty", "instruction"),
        ([{"instruction": "a", "output": ["b"]}], "field.type", "output"),
        ([{"instruction": "a", "output": True}], "field.type", "output"),
        ([{"instruction": "a", "output": "b", "history": "x"}], "field.type", "history"),
        ([{"instruction": "a", "output": "b", "history": [["q"]]}], "field.type", "history"),
        ([{"instruction": "a", "output": "b", "history": [["q", None]]}], "field.missing", "history[0][1]"),
    ],
)
def test_defects_of_alpaca(rows: list[Any], code: str, field: str, tmp_path: Path) -> None:
    good = {"instruction": "Hi", "input": "", "output": "Hello"}
    findings, conversations = scan_rows(write_rows(tmp_path / "data.jsonl", [good, *rows]))
    assert [(finding.code, finding.field) for finding in findings[2]] == [(code, field)]
    assert conversations == [one(("Hi", "Hello"))]


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        ({"src": ["a", "b"], "tgt": ["c"]}, "turns.unequal", "tgt"),
        ({"src": ["a"], "tgt": [{}]}, "field.type", "tgt"),
        ({"src": ["a", "b"], "tgt": ["c", 1.5]}, "text.number", "tgt[1]"),
        ({"src": "a"}, "answer.missing", "tgt"),
        ({"src": [], "tgt": []}, "answer.missing", ""),
    ],
)
def test_defects_of_src_tgt(row: Any, code: str, field: str, tmp_path: Path) -> None:
    findings, _ = scan_rows(write_rows(tmp_path / "data.jsonl", [{"src": "x", "tgt": "y"}, row]))
    assert [(finding.code, finding.field) for finding in findings[2]] == [(code, field)]


def test_half_characters_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"src": "a\\ud83d", "tgt": "\\ud83d\\ude00"}\n', encoding="utf-8")
    findings, conversations = scan_rows(path)
    assert [finding.code for finding in findings[1]] == ["text.surrogate"]
    assert conversations == [one(("a\ufffd", "😀"))]


def test_broken_line_is_one_lost_row(tmp_path: Path) -> None:
    good = json.dumps(GOOD)
    path = tmp_path / "data.jsonl"
    path.write_text(f"{good}\n\n{{'role': 1}}\n{json.dumps(chat(('user', 'a'), ('assistant', 'b')))}\n")
    findings, conversations = scan_rows(path)
    assert [(finding.code, finding.row, finding.line) for finding in findings[2]] == [
        ("row.unreadable", 2, 3)
    ]
    assert "column 2" in findings[2][0].what
    assert len(conversations) == 2


def test_duplicate_names_the_first_row(tmp_path: Path) -> None:
    rows = [GOOD, chat(("user", "a"), ("assistant", "b")), GOOD, GOOD]
    findings, _ = scan_rows(write_rows(tmp_path / "data.jsonl", rows))
    assert {row: finding[0].what for row, finding in findings.items()} == {
        3: "the same as row 1",
        4: "the same as row 1",
    }


def test_dev_row_that_is_also_a_training_row(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [chat(("user", "a"), ("assistant", "b")), GOOD])
    write_rows(tmp_path / "dev.jsonl", [chat(("user", "c"), ("assistant", "d")), GOOD])
    scanned = scan(str(tmp_path), None)
    assert [(finding.code, finding.file, finding.row, finding.what) for finding in scanned.findings] == [
        ("row.leak", "dev.jsonl", 2, "it is also training row 2")
    ]


def test_no_usable_row_at_all(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "data.jsonl", [{"instruction": "a", "output": ""}] * 3)
    with pytest.raises(BadInput) as error:
        scan(str(path), None)
    assert "none of the train rows can be used" in error.value.what
    assert "3 rows: the answer is empty. First: data.jsonl row 1 (line 1), `output`" in error.value.why


def test_log_lists_the_first_and_counts_the_rest() -> None:
    log = FindingLog(listed=2)
    for row in range(1, 6):
        log.add(Finding("row.duplicate", "a.jsonl", row, row, "", ""))
    log.add(Finding("answer.empty", "a.jsonl", 9, 9, "output", ""))
    assert [(finding.code, finding.row) for finding in log.first()] == [
        ("answer.empty", 9),
        ("row.duplicate", 1),
        ("row.duplicate", 2),
    ]
    assert log.counts == {"row.duplicate": 5, "answer.empty": 1}
    assert log.first()[0].sentence() == "a.jsonl row 9 (line 9), `output`: the answer is empty; row dropped."


def test_every_code_is_in_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_data_*.py"))
    assert [code for code in KINDS if f'"{code}"' not in tests] == []
