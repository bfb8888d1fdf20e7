"""What the screen shows as trained is what the engine trains on, token by token."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.errors import BadInput
from runtime.data.conversation import Conversation
from runtime.data.first_rows import first_rows
from runtime.data.masked_row import Token, masked_row
from runtime.data.scan import scan
from runtime.data.tokens import load_counter
from tests.runtime.data_files import row_in, write_rows
from tests.runtime.test_data_engine import CONVERSATIONS, engine_copy, engine_tokens


def flags(row: tuple[Token, ...]) -> list[bool]:
    """Whether each token before the cut is trained on."""
    return [piece.trained for piece in row if not piece.cut for _ in range(piece.tokens)]


@pytest.mark.parametrize("pairs", CONVERSATIONS)
@pytest.mark.parametrize("max_length", [None, 1, 7, 40])
def test_it_agrees_with_the_counters_labels(
    tiny_hf_model: Path, pairs: list[tuple[str, str]], max_length: int | None
) -> None:
    counter = load_counter(tiny_hf_model)
    conversation = Conversation("Sys 你好", tuple(pairs))
    parts = counter.parts(conversation)
    row = masked_row(counter, parts, max_length)
    ids, labels = counter.ids_and_labels(conversation, max_length)
    assert flags(row) == [label != -100 for label in labels]
    assert sum(piece.tokens for piece in row if not piece.cut) == len(ids)
    assert "".join(piece.text for piece in row) == "".join(map("".join, parts))


def test_special_tokens_are_told_apart(tiny_hf_model: Path) -> None:
    counter = load_counter(tiny_hf_model)
    row = masked_row(counter, [("<|im_start|>user\nhi<|im_end|>", "yo<|im_end|>")])
    assert [piece.text for piece in row if piece.special] == ["<|im_start|>", "<|im_end|>", "<|im_end|>"]
    assert [piece.trained for piece in row if piece.special] == [False, False, True]


def test_characters_of_several_tokens_stay_whole(tiny_hf_model: Path) -> None:
    row = masked_row(load_counter(tiny_hf_model), [("讲😀", "好")])
    assert [(piece.text, piece.tokens, piece.trained) for piece in row] == [
        ("讲", 3, False),
        ("😀", 4, False),
        ("好", 3, True),
    ]


def test_without_a_tokenizer_parts_stay_whole() -> None:
    row = masked_row(load_counter(None), [("a question", "an answer")])
    assert [(piece.text, piece.trained) for piece in row] == [("a question", False), ("an answer", True)]


def test_first_rows_are_those_of_a_scan(tiny_hf_model: Path, tmp_path: Path) -> None:
    rows = [row_in("messages", [(f"question {number}" * 9, "answer" * 20)]) for number in range(2_000)]
    data = write_rows(tmp_path / "data.jsonl", [{"messages": "broken"}, *rows])
    limits = {"max_length": 128, "src_length": 64, "seed": 7}
    counter = load_counter(tiny_hf_model)
    found = first_rows(str(data), counter, rows=5, **limits)
    whole = scan(str(data), tiny_hf_model, samples=5, dev_fraction=0.5, **limits)
    assert found == whole.samples
    assert [sample.row for sample in found] == [2, 3, 4, 5, 6]
    assert whole.uncut.longer_than(128) == 2_000
    held_out = [sample.value in whole.dev_hashes for sample in whole.samples]
    assert any(held_out) and not all(held_out)


def test_data_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        first_rows(
            str(tmp_path / "no.jsonl"), load_counter(None), max_length=64, src_length=32, seed=1, rows=1
        )


@pytest.mark.engine
def test_it_agrees_with_the_training_worker(tiny_hf_model: Path, engine_python: Path, tmp_path: Path) -> None:
    from runtime.data.prepare import prepare

    model = engine_copy(tiny_hf_model, tmp_path / "model")
    rows = [row_in("messages", pairs, "你 are a pirate") for pairs in CONVERSATIONS]
    rows += [row_in("messages", [("q" * 300, "short")]), row_in("messages", [("q", "a" * 300)])]
    data = write_rows(tmp_path / "data.jsonl", rows)
    limits = {"max_length": 128, "src_length": 64, "seed": 1}
    prepare(str(data), model, tmp_path / "out", dev_fraction=0, expected_fingerprint=None, **limits)  # type: ignore[arg-type]
    engine = engine_tokens(engine_python, model, tmp_path / "out" / "train.json", 64, 128)
    counter = load_counter(model)
    shown = first_rows(str(data), counter, rows=99, **limits)
    assert len(shown) == len(engine) == len(rows)
    for sample, found in zip(shown, engine, strict=True):
        _, labels = found["worker"]  # shifted by one: the label of a position is the token after it
        assert flags(masked_row(counter, sample.parts, 128))[1:] == [label != -100 for label in labels]
