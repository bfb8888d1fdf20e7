"""Mixtures have the shares that were asked for, use no row twice, and are the same every time."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import BadInput
from runtime.data.bundled import resolve_data
from runtime.data.mixture import read_mixture, shared_out
from runtime.data.scan import scan
from tests.runtime.data_files import write_rows


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))


def rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def two(folder: Path, first: int = 70, second: int = 100) -> tuple[Path, Path]:
    return (
        write_rows(folder / "a.jsonl", [{"src": f"a{n}", "tgt": "x"} for n in range(first)]),
        write_rows(folder / "b.json", [{"src": f"b{n}", "tgt": "y"} for n in range(second)]),
    )


@pytest.mark.parametrize(
    ("shares", "taken"), [((0.7, 0.3), (70, 30)), ((1, 1), (70, 70)), ((20, 80), (25, 100))]
)
def test_shares(shares: tuple[float, float], taken: tuple[int, int], tmp_path: Path) -> None:
    a, b = two(tmp_path)
    mixed = rows(resolve_data(f"{a}*{shares[0]} + {b}*{shares[1]}") / "train.jsonl")
    assert Counter(row["src"][0] for row in mixed) == {"a": taken[0], "b": taken[1]}
    assert len({row["src"] for row in mixed}) == sum(taken)
    first_half = Counter(row["src"][0] for row in mixed[: len(mixed) // 2])
    assert abs(first_half["a"] - taken[0] / 2) <= 1


def test_a_mixture_is_a_data_set_like_any_other(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    name = f"{a}*70% + {b}*30%"
    first = scan(name, None)
    assert (first.facts.path, first.rows_read, first.facts.train_rows) == (name, 100, 95)
    written = (resolve_data(name) / "train.jsonl").read_bytes()
    (resolve_data(name) / "train.jsonl").unlink()
    assert (resolve_data(name) / "train.jsonl").read_bytes() == written
    write_rows(a, [{"src": f"new{n}", "tgt": "x"} for n in range(70)])
    assert scan(name, None).facts.fingerprint != first.facts.fingerprint


def test_a_file_with_seed_and_rows(tmp_path: Path) -> None:
    two(tmp_path)
    text = "sources:\n- {path: a.jsonl, share: 3}\n- {path: b.json, share: 1}\nrows: 40\nseed: %d\n"
    found = []
    for seed in (1, 2):
        (tmp_path / "mix.yaml").write_text(text % seed)
        mixed = rows(resolve_data(str(tmp_path / "mix.yaml")) / "train.jsonl")
        assert Counter(row["src"][0] for row in mixed) == {"a": 30, "b": 10}
        found.append(mixed)
    assert found[0] != found[1]


def test_several_layouts_meet_in_one_and_dev_files_are_joined(tmp_path: Path) -> None:
    write_rows(tmp_path / "a" / "train.jsonl", [{"src": "a", "tgt": "b"}, {"src": "c"}] * 2)
    write_rows(tmp_path / "a" / "dev.jsonl", [{"src": "d", "tgt": "e"}])
    b = write_rows(tmp_path / "b.csv", [{"instruction": f"q{n}", "output": "r"} for n in range(4)])
    scanned = scan(f"{tmp_path / 'a'}*1 + {b}*1", None)
    facts = scanned.facts
    assert (facts.layout, facts.train_rows, facts.dev_rows, facts.unusable_rows) == ("messages", 6, 1, 2)
    assert scanned.finding_counts["field.missing"] == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.jsonl*0.7 + b.json", "The mixture 'a.jsonl*0.7 + b.json' cannot be read."),
        ("a.jsonl*0 + b.json*1", "the share 0 adds nothing"),
        ("a.jsonl*1 + nowhere.json*1", "There is no data set"),
        ("a.jsonl*1 + pairs.jsonl*1", "cannot be mixed"),
        ("mix.yaml", "mix.yaml is no mixture: sources.1.share"),
    ],
)
def test_refused(name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    two(tmp_path)
    write_rows(tmp_path / "pairs.jsonl", [{"prompt": "a", "chosen": "b", "rejected": "c"}])
    (tmp_path / "mix.yaml").write_text("sources: [{path: a.jsonl, share: 1}, {path: b.json}]")
    with pytest.raises(BadInput) as error:
        resolve_data(name)
    assert said in error.value.sentence()
    assert not list((tmp_path / "home").rglob("train.jsonl"))


def test_other_names_are_no_mixtures() -> None:
    assert read_mixture("my data + more.jsonl") is None
    assert read_mixture("steersman-demo") is None


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.floats(0.01, 100)), min_size=2, max_size=5),
)
def test_no_source_gives_more_than_it_has(parts: list[tuple[int, float]]) -> None:
    have, shares = [rows for rows, _ in parts], [share for _, share in parts]
    taken = shared_out(have, shares, None)
    assert all(1 <= count <= most for count, most in zip(taken, have, strict=True))
    assert any(count == most for count, most in zip(taken, have, strict=True))


def test_documents_of_plain_text_files(tmp_path: Path) -> None:
    text = "\ufeffFirst line.\nSecond.\n\nStill the first.\n\n\nSecond text.\r\n\fThird.\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8", newline="")
    found: list[tuple[str, int]] = []
    from runtime.data.sources import open_file

    found = [(raw.value["text"], raw.line) for raw in open_file(tmp_path / "a.txt").rows()]
    assert found == [
        ("First line.\nSecond.\n\nStill the first.", 1),
        ("Second text.", 7),
        ("Third.", 8),
    ]
    facts = scan(str(tmp_path / "a.txt"), None).facts
    assert (facts.format, facts.train_rows + facts.dev_rows) == ("text", 3)


def test_a_long_text_is_divided_at_blank_lines_and_folders_of_texts_are_one_set(tmp_path: Path) -> None:
    paragraphs = [f"word {number:03} " * 111 + "\n\n" for number in range(40)]
    (tmp_path / "book.txt").write_text("".join(paragraphs))
    (tmp_path / "note.txt").write_text("A note.")
    scanned = scan(str(tmp_path), None, dev_fraction=0.3)
    assert scanned.rows_read == 5 + 1
    assert scanned.facts.dev_rows == 2
