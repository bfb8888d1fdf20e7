"""Rows that nearly repeat others are found, in any writing; rows that only resemble them are not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from runtime.data.conversation import plain_text
from runtime.data.near import NearRows, signature
from runtime.data.scan import scan
from tests.runtime.data_files import row_in, write_rows

ENGLISH = " ".join(f"The {n}th visitor of the museum asked for the {n * 7}th room." for n in range(12))
CHINESE = (
    "识别并解释给定列表中的两个科学理论：细胞理论和日心说。"
    "细胞理论是生物科学的一个理论，它认为所有生命体都是由微小的基本单元所构成。"
)


@pytest.mark.parametrize(
    ("text", "other", "near"),
    [
        (ENGLISH, ENGLISH.replace("museum", "palace", 1), True),
        (ENGLISH, ENGLISH.upper().replace(" ", "\n"), True),
        (ENGLISH, ENGLISH[: len(ENGLISH) // 2], False),
        (CHINESE, CHINESE.replace("。", "！"), True),
        (CHINESE, CHINESE[::-1], False),
        ("Hi", "Ho", False),
    ],
)
def test_near_or_not(text: str, other: str, near: bool) -> None:
    rows = NearRows()
    assert rows.first(plain_text(text), 7) == 0
    assert rows.find(plain_text(other)) == (7 if near else 0)


def test_the_signature_is_the_same_on_every_machine() -> None:
    assert signature("The quick brown fox jumps.")[:3] == [1015610806, 2996395287, 3267778405]


def test_estimates_are_close_to_the_true_share() -> None:
    """Sets of pieces with a known overlap: the share of equal hashes is within four standard deviations."""
    source = random.Random(1)
    letters = "".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=2000))
    for kept in (500, 1000, 1800):
        other = letters[:kept] + "".join(source.choices("ABCDEFGH", k=2000 - kept))
        shared = kept / (4000 - kept)
        equal = sum(a == b for a, b in zip(signature(letters), signature(other), strict=True)) / 60
        assert abs(equal - shared) < 4 * (shared * (1 - shared) / 60) ** 0.5


def test_findings_name_the_earlier_row(tmp_path: Path) -> None:
    rows = [row_in("messages", [(f"Question {n}?", text)]) for n, text in enumerate([ENGLISH, CHINESE])]
    near = row_in("messages", [("Question 0?", ENGLISH.replace("museum", "palace", 1))])
    write_rows(tmp_path / "train.jsonl", [*rows, near])
    write_rows(tmp_path / "dev.jsonl", [row_in("messages", [("Question 9?", CHINESE)])])
    found = scan(str(tmp_path), None, near=True).findings
    assert [(finding.code, finding.file, finding.row, finding.what) for finding in found] == [
        ("row.near_duplicate", "train.jsonl", 3, "nearly the same as training row 1"),
        ("row.near_leak", "dev.jsonl", 1, "nearly the same as training row 2"),
    ]
    assert scan(str(tmp_path), None).finding_counts == {}
