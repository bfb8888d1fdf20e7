"""Prepared pairs, judgements and texts in the hands of the engines' own code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runtime.data.conversation import Conversation
from runtime.data.example import example_of
from runtime.data.prepare import prepare
from runtime.data.scan import scan
from runtime.data.writing import WRITERS
from tests.engine_start import QUICKLY
from tests.runtime.data_files import write_rows
from tests.runtime.test_data_engine import engine_copy

pytestmark = pytest.mark.engine

PAIRS = [
    Conversation("", (("Hi", "Hello"), ("And you?", "Good.")), rejected="Bad, 1234."),
    Conversation("", (("讲个笑话", "从前有座山。"),), rejected="不。"),
]
JUDGED = [
    Conversation("", (("Hi", "Hello"), ("And you?", "Good.")), label=True),
    Conversation("", (("讲个笑话", "不。"),), label=False),
]

PADDLENLP = """
import json, sys
from types import SimpleNamespace
from paddlenlp.datasets import load_dataset
from paddlenlp.transformers import AutoTokenizer
from paddlenlp.trl import preprocess_preference_data

model, data, kind, answer = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(model, use_fast=True)
rows = load_dataset("json", data_files=data)[0]
limits = SimpleNamespace(max_seq_len=4096, max_prompt_len=2048)
found = []
for number, row in enumerate(rows):
    if kind == "labelled":  # as upstream's run_kto.py does
        row["response"].append(rows[-number]["response"][0])
        row["sort"].append(row["sort"][0] - 1)
    encoded = preprocess_preference_data(row, tokenizer, limits, SimpleNamespace(flash_mask=True))
    chosen = [token for token in encoded["response_0_labels"] if token]
    rejected = [token for token in encoded["response_1_labels"] if token]
    found.append({"length": len(encoded["input_ids"]), "better": tokenizer.decode(chosen),
                  "worse": tokenizer.decode(rejected), "sort": encoded["response_indexs"][-1]})
open(answer, "w").write(json.dumps(found))
"""


def prepared(rows: list[Conversation], layout: str, model: Path, folder: Path) -> Path:
    data = write_rows(folder / "data.jsonl", [WRITERS[layout](example_of(row)) for row in rows])
    prepare(str(data), model, folder / "out", max_length=4096, src_length=2048, seed=1, dev_fraction=0,
            expected_fingerprint=None)  # fmt: skip
    return folder / "out" / "train.json"


def ask(python: Path, code: str, *arguments: str) -> Any:
    ended = subprocess.run(
        [str(python), "-c", QUICKLY + code, *arguments], capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(Path(arguments[-1]).read_text())


@pytest.mark.parametrize(
    ("layout", "rows", "worse"),
    [("messages_pairs", PAIRS, ["Bad, 1234.", "不。"]), ("messages_labels", JUDGED, None)],
)
def test_paddlenlp_encodes_them(
    layout: str,
    rows: list[Conversation],
    worse: list[str] | None,
    tiny_hf_model: Path,
    engine_python: Path,
    tmp_path: Path,
) -> None:
    model = engine_copy(tiny_hf_model, tmp_path / "model")
    data = prepared(rows, layout, model, tmp_path)
    kind = "labelled" if worse is None else "preference"
    found = ask(engine_python, PADDLENLP, str(model), str(data), kind, str(tmp_path / "answer.json"))
    samples = scan(str(data), model, dev_fraction=0).samples
    for row, entry, sample in zip(rows, found, samples, strict=True):
        assert entry["better"].startswith(row.pairs[-1][1] + "<|im_end|>")
        if worse is None:
            assert entry["sort"] == int(bool(row.label))
        else:  # the last token of the prompt is shared, as upstream shifts by one
            assert entry["length"] == sum(map(sum, sample.lengths)) - 1
    if worse is not None:
        assert [entry["worse"].split("<|im_end|>")[0] for entry in found] == worse


PADDLEFORMERS = """
import json, sys
from paddleformers.datasets.reader.convertor import erniekit_convertor
data, answer = sys.argv[1:]
rows = [erniekit_convertor(json.loads(line)) for line in open(data, encoding="utf-8")]
open(answer, "w").write(json.dumps(rows))
"""


def test_paddleformers_converts_them(tiny_hf_model: Path, paddleformers_python: Path, tmp_path: Path) -> None:
    pair = PAIRS[0]._replace(system="Be brief.")
    chat = Conversation("Be brief.", (("Hi", "Hello"),))
    text = Conversation("", (("", "A text."),))
    written = []
    for number, (row, layout) in enumerate([(pair, "messages_pairs"), (chat, "messages"), (text, "text")]):
        (tmp_path / str(number)).mkdir()
        written.append(prepared([row], layout, tiny_hf_model, tmp_path / str(number)).read_text())
    data = tmp_path / "all.jsonl"
    data.write_text("".join(written))
    found = ask(paddleformers_python, PADDLEFORMERS, str(data), str(tmp_path / "answer.json"))
    said = [[(turn["role"], turn["content"]) for turn in row["messages"]] for row in found]
    system = ("system", "Be brief.")
    assert said == [
        [system, ("user", "Hi"), ("assistant", "Hello"), ("user", "And you?")],
        [system, ("user", "Hi"), ("assistant", "Hello")],
        [("assistant", "A text.")],
    ]
    assert found[0]["chosen_response"] == [{"role": "assistant", "content": "Good."}]
    assert found[0]["rejected_response"] == [{"role": "assistant", "content": "Bad, 1234."}]
