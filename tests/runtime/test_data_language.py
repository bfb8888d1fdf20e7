"""The language of the rows, and how many repeat each other, become facts of the plan."""

from __future__ import annotations

import json
from pathlib import Path

from runtime.data.language import main_language
from runtime.data.scan import scan

ENGLISH = [f"Please tell me how the weather was on day number {day} of the journey." for day in range(20)]
CHINESE = [f"请告诉我旅行第{day}天的天气怎么样，我想知道是否下雨。" for day in range(20)]


def test_the_language_of_most_rows_is_told() -> None:
    assert main_language(ENGLISH) == "en"
    assert main_language(CHINESE) == "zh"
    assert main_language([*CHINESE[:15], *ENGLISH[:3]]) == "zh"


def test_no_language_is_named_where_none_prevails_or_nothing_is_written() -> None:
    assert main_language([*CHINESE[:10], *ENGLISH[:10]]) is None
    assert main_language(["", "  "]) is None


def test_a_scan_tells_language_and_duplicates(tmp_path: Path) -> None:
    rows = [{"src": text, "tgt": "晴天，没有下雨。"} for text in [*CHINESE, *CHINESE[:3]]]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    facts = scan(str(file), None).facts
    assert (facts.language, facts.duplicate_rows) == ("zh", 3)
