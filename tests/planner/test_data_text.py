"""Data that is elsewhere: described by rows and tokens."""

from __future__ import annotations

import pytest

from planner.data_text import parse
from planner.errors import BadInput
from runtime.data.duplicates import row_hash
from runtime.data.split import DevSplit


def test_a_description_becomes_facts() -> None:
    data = parse(50_000, "350:2048")
    assert (data.train_rows, data.dev_rows, data.typed) == (49_000, 1_000, True)
    assert (data.lengths.mean, data.lengths.max, data.lengths.counted) == (350.0, 2048, False)
    assert data.lengths.p50 < data.lengths.mean < data.lengths.p90 < data.lengths.p99 <= 2048
    assert data.lengths.total == 49_000 * 350


def test_no_length_exceeds_the_longest() -> None:
    lengths = parse(1_000, "500:520").lengths
    assert (lengths.p90, lengths.p99, lengths.max) == (520, 520, 520)


def test_without_a_longest_row_one_is_assumed() -> None:
    lengths = parse(1_000, "1.2k").lengths
    assert lengths.mean == 1_200
    assert lengths.p99 < lengths.max < 10 * lengths.mean


@pytest.mark.parametrize(
    ("stage", "layout"),
    [("sft", "messages"), ("dpo", "preference"), ("kto", "labelled"), ("pretrain", "text")],
)
def test_the_layout_is_that_of_the_stage(stage: str, layout: str) -> None:
    assert parse(1_000, "300", stage).format == layout


def test_at_least_one_row_is_trained_on() -> None:
    assert parse(2, "300", dev_fraction=0.5).train_rows == 1


@pytest.mark.parametrize(
    ("rows", "fraction", "held_out"),
    [(12, 0.05, 1), (12, 0, 0), (1_000, 0.05, 50), (10_000_000, 0.05, 1_000)],
)
def test_as_many_rows_are_held_out_as_a_scan_would(rows: int, fraction: float, held_out: int) -> None:
    split = DevSplit(fraction)
    for number in range(min(rows, 40_000)):
        split.offer(row_hash(str(number)), 1, 1)
    assert parse(rows, "300", dev_fraction=fraction).dev_rows == held_out == len(split.chosen())


@pytest.mark.parametrize("text", ["", "many", "-3", "0", "300:", "300:200", "3 50", "300:2048:1"])
def test_what_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse(1_000, text)
