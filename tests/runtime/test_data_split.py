"""Split, duplicates and lengths: reproducible, exact, and flat in memory."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.data.duplicates import SeenRows, row_hash
from runtime.data.lengths import LengthCounter
from runtime.data.scan import scan
from runtime.data.split import MOST_DEV_ROWS, DevSplit
from tests.runtime.data_files import write_rows


def chosen(values: list[int], fraction: float) -> set[int]:
    split = DevSplit(fraction)
    for value in values:
        split.offer(value, 1, 1)
    return set(split.chosen())


HASHES = st.lists(st.integers(1, 2**64 - 1), min_size=2, max_size=300, unique=True)


@given(HASHES, st.sampled_from([0.01, 0.05, 0.2, 0.5]))
def test_share_of_the_rows_but_never_none_and_never_all(values: list[int], fraction: float) -> None:
    found = chosen(values, fraction)
    assert len(found) == max(1, round(len(values) * fraction))
    assert len(found) < len(values) or len(values) == 1


@given(HASHES, st.randoms())
def test_order_of_the_rows_does_not_matter(values: list[int], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert chosen(values, 0.1) == chosen(shuffled, 0.1)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=60))
def test_equal_rows_stay_together(values: list[int]) -> None:
    found = chosen(values, 0.1)
    counts = Counter(values)
    moved = sum(counts[value] for value in found)
    assert moved < len(values)
    assert moved <= max(round(len(values) * 0.1), len(values) / 2)


def test_at_most_a_thousand() -> None:
    assert len(chosen([row_hash(str(row)) for row in range(40_000)], 0.2)) == MOST_DEV_ROWS


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 19, 20, 200])
def test_tiny_sets(rows: int, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", [{"src": str(row), "tgt": "b"} for row in range(rows)])
    facts = scan(str(path), None).facts
    assert facts.dev_rows == (0 if rows == 1 else max(1, round(rows * 0.05)))
    assert facts.train_rows == rows - facts.dev_rows


def test_only_equal_rows_are_not_split(tmp_path: Path) -> None:
    facts = scan(str(write_rows(tmp_path / "a.jsonl", [{"src": "a", "tgt": "b"}] * 5)), None).facts
    assert (facts.train_rows, facts.dev_rows) == (5, 0)


def test_lengths_are_those_of_the_training_rows(tmp_path: Path) -> None:
    rows = [{"src": "q", "tgt": "x" * (40 * row)} for row in range(1, 41)]
    path = write_rows(tmp_path / "a.jsonl", rows)
    kept: list[str] = []
    scanned = scan(str(path), None, dev_fraction=0.25, sink=lambda role, value, row: kept.append(str(value)))
    train = [row for row, value in zip(rows, kept, strict=True) if int(value) not in scanned.dev_hashes]
    alone = scan(str(write_rows(tmp_path / "train.jsonl", train)), None, dev_fraction=0)
    assert len(train) == 30
    assert scanned.facts.lengths == alone.facts.lengths


@given(st.lists(st.integers(1, 2**64 - 1), max_size=3000))
def test_seen_rows_is_a_dictionary(values: list[int]) -> None:
    seen, reference = SeenRows(), dict[int, int]()
    for row, value in enumerate(values, start=1):
        assert seen.first(value, row) == reference.get(value, 0)
        reference.setdefault(value, row)
    assert all(seen.find(value) == row for value, row in reference.items())
    assert seen.find(12345) == reference.get(12345, 0)


def test_seen_rows_stays_small() -> None:
    values = [row_hash(str(row)) for row in range(200_000)]
    tracemalloc.start()
    try:
        seen = SeenRows()
        for row, value in enumerate(values, start=1):
            seen.first(value, row)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size <= 50 * len(values)


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 50)), min_size=1, max_size=200))
def test_lengths_are_exact(rows: list[tuple[int, int]]) -> None:
    counter = LengthCounter()
    for tokens, answers in rows:
        counter.add(tokens, answers)
    ordered = sorted(tokens for tokens, _ in rows)
    facts = counter.facts(counted=True)
    assert facts.mean == round(mean(ordered), 1)
    assert (facts.max, facts.total) == (ordered[-1], sum(ordered))
    assert facts.answer_total == sum(answers for _, answers in rows)
    for share, value in ((0.5, facts.p50), (0.9, facts.p90), (0.99, facts.p99)):
        assert value in ordered
        assert sum(length <= value for length in ordered) >= share * len(ordered)
        assert sum(length < value for length in ordered) < share * len(ordered)
    buckets = counter.histogram()
    assert sum(count for *_, count in buckets) == len(rows)
    assert buckets[0][0] == ordered[0]
    assert buckets[-1][1] >= ordered[-1]
    for low, high, count in buckets:
        assert count == sum(low <= length <= high for length in ordered)
