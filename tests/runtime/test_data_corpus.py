"""Token files for pretraining: our own reader and the engine's find the tokens of every text."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.data.prepare import prepare
from runtime.data.token_index import BLOCK, TokenIndex, TokenIndexWriter, token_type
from runtime.data.tokens import load_counter
from tests.engine_start import QUICKLY
from tests.runtime.data_files import write_rows
from tests.tiny_model import write_tokenizer

TEXTS = [f"Text {number}: " + "从前有座山。" * (number % 3) + "word " * number for number in range(40)]


def prepared(folder: Path, dev_fraction: float = 0.1) -> tuple[Path, Path]:
    model = folder / "model"
    model.mkdir()
    write_tokenizer(model)
    data = write_rows(folder / "corpus.jsonl", [{"text": text} for text in TEXTS])
    prepare(str(data), model, folder / "out", max_length=64, src_length=32, seed=1,
            dev_fraction=dev_fraction, expected_fingerprint=None)  # fmt: skip
    return folder / "out", model


def rows(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_text_is_there_with_its_end_token(tmp_path: Path) -> None:
    out, model = prepared(tmp_path)
    counter = load_counter(model)
    report = json.loads((out / "prepare.json").read_text())
    for role, name in (("train", "train"), ("dev", "dev/dev")):
        index = TokenIndex(out / name)
        expected = [counter.encode(text + "<|im_end|>") for text in rows(out / f"{role}.json")]
        assert [index[number] for number in range(len(index))] == expected
        assert list(index.borders) == list(range(len(expected) + 1))
        (entry,) = [entry for entry in report["tokens"] if entry["name"] == name]
        assert entry == {
            "name": name,
            "documents": len(expected),
            "tokens": sum(map(len, expected)),
            "type": "uint16",
        }
    assert report["tokens"][0]["tokens"] == report["facts"]["lengths"]["total"]
    assert [path.name for path in out.glob("*.idx")] == ["train.idx"]
    assert not list(out.rglob(".*"))


def test_no_dev_files_without_dev_rows(tmp_path: Path) -> None:
    out, _ = prepared(tmp_path, dev_fraction=0)
    assert not (out / "dev").exists()


@settings(max_examples=30, deadline=None)
@given(
    documents=st.lists(st.lists(st.integers(0, 65533), min_size=1, max_size=50), min_size=1, max_size=30),
    vocabulary=st.sampled_from([65534, 65535, 151936]),
)
def test_round_trip(
    documents: list[list[int]], vocabulary: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = tmp_path_factory.mktemp("index") / "corpus"
    with TokenIndexWriter(name, vocabulary) as writer:
        for document in documents:
            writer.add(document)
    index = TokenIndex(name)
    assert [index[number] for number in range(len(index))] == documents
    assert index.dtype == token_type(vocabulary) == ("uint16" if vocabulary < 65535 else "int32")


def test_offsets_over_several_blocks(tmp_path: Path) -> None:
    with TokenIndexWriter(tmp_path / "corpus", 100) as writer:
        for number in range(BLOCK + 5):
            writer.add([number % 100] * (1 + number % 3))
    index = TokenIndex(tmp_path / "corpus")
    assert len(index) == BLOCK + 5 == len(index.borders) - 1
    for number in (0, BLOCK - 1, BLOCK, BLOCK + 4):
        assert index[number] == [number % 100] * (1 + number % 3)


ENGINE_SIDE = """
import json, sys
from paddlenlp.data.causal_dataset import build_train_valid_test_datasets
from paddlenlp.data.indexed_dataset import MMapIndexedDatasetBuilder, make_dataset

train, upstream, out = sys.argv[1:]
data = make_dataset(train, "mmap")
found = {"documents": [[int(token) for token in data[index]] for index in range(len(data))],
         "borders": [int(border) for border in data.doc_idx]}
builder = MMapIndexedDatasetBuilder(upstream + ".bin", data._index.dtype)
for document in found["documents"]:
    builder.add_item(document)
    builder.end_document()
builder.finalize(upstream + ".idx")
datasets = build_train_valid_test_datasets(
    [train], "mmap", "949,50,1", [8, 0, 0], 16, 42, True, data_cache_path=out + ".cache"
)
found["sample"] = [int(token) for token in datasets[0][0]["text"]]
found["samples"] = len(datasets[0])
open(out, "w").write(json.dumps(found))
"""


@pytest.mark.engine
def test_the_engine_reads_it_and_would_have_written_the_same_bytes(
    engine_python: Path, tmp_path: Path
) -> None:
    out, _ = prepared(tmp_path)
    answer, upstream = tmp_path / "answer.json", tmp_path / "upstream"
    command = [
        str(engine_python),
        "-c",
        QUICKLY + ENGINE_SIDE,
        str(out / "train"),
        str(upstream),
        str(answer),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: dict[str, Any] = json.loads(answer.read_text())
    index = TokenIndex(out / "train")
    assert found["documents"] == [index[number] for number in range(len(index))]
    assert found["borders"] == list(range(len(index) + 1))
    for ending in (".bin", ".idx"):
        assert Path(f"{upstream}{ending}").read_bytes() == Path(f"{out / 'train'}{ending}").read_bytes()
    assert found["samples"] >= 8
    assert len(found["sample"]) == 17
    whole = [token for document in found["documents"] for token in document]
    assert set(found["sample"]) <= set(whole)
