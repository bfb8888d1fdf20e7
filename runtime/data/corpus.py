"""Prepared texts as token files for pretraining, beside the rows: `train.bin`, `train.idx`, `dev/dev.bin`,
`dev/dev.idx`.

The dev files lie in a folder of their own because upstream's run_pretrain.py trains on every index that it
finds in `input_dir` (`get_train_data_file`).
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import NamedTuple

from planner.errors import StageFailed
from planner.language import say
from runtime.data.conversation import plain_text
from runtime.data.row_pass import BATCH_ROWS, ProgressCall
from runtime.data.token_index import TokenIndex, TokenIndexWriter
from runtime.data.tokens import TokenCounter


class Corpus(NamedTuple):
    """One pair of files; `name` is their path without ending, relative to the prepared data."""

    name: str
    documents: int
    tokens: int
    type: str


def corpus_name(role: str) -> str:
    """Return where the tokens of the train or dev rows lie, without ending."""
    return "train" if role == "train" else "dev/dev"


def write_corpora(
    folder: Path, rows: dict[str, int], counter: TokenCounter, progress: ProgressCall
) -> tuple[Corpus, ...]:
    """Write the token files of `<role>.json` in `folder` for every role that has rows, and read them back.

    Without a tokenizer there are none. Raises `StageFailed` when what was written cannot be read.
    """
    if counter.tokenizer is None:
        return ()
    return tuple(
        _write(folder, role, counter, progress) for role in ("train", "dev") if rows.get(f"{role}.json")
    )


def _write(folder: Path, role: str, counter: TokenCounter, progress: ProgressCall) -> Corpus:
    assert counter.tokenizer is not None
    name = corpus_name(role)
    target = folder / name
    target.parent.mkdir(exist_ok=True)
    source = folder / f"{role}.json"
    size, done = source.stat().st_size, 0
    with (
        source.open(encoding="utf-8") as file,
        TokenIndexWriter(target, counter.tokenizer.get_vocab_size()) as writer,
    ):
        while lines := list(itertools.islice(file, BATCH_ROWS)):
            texts = [counter.parts(plain_text(json.loads(line)["text"]))[0][1] for line in lines]
            for ids in counter.encode_all(texts):
                writer.add(ids)
            done += sum(map(len, lines))
            progress(
                min(done, size), size, "bytes", say("writing tokens: {rows:,} texts", rows=writer.documents)
            )
    index = TokenIndex(target)
    read_back = len(index), int(index.sizes.sum()), len(index.tokens)
    if read_back != (writer.documents, writer.tokens, writer.tokens):
        raise StageFailed(say("The tokens in {path} cannot be read back.", path=target))
    return Corpus(name, writer.documents, writer.tokens, writer.dtype.name)
