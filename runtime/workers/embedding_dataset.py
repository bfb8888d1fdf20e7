"""Queries with passages as tokens, and the batches that a contrastive loss compares.

Each query meets one of its good passages and up to `group_size` - 1 of its bad ones; the passages of the
other queries in the batch are bad ones, too. PaddleNLP counts on every query having the same number of
passages, and compares queries with the wrong ones when some have none; here every query knows where its own
passage stands. A passage that is good for a query is never held against it, even when it comes with another
query.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from paddle.io import Dataset

from runtime.workers.embedding_arguments import TEXT, EmbeddingArgument
from runtime.workers.refusal import RefusedError
from runtime.workers.sft_dataset import Loaded
from runtime.workers.speech import say


class Example(NamedTuple):
    """Token ids of a query, of one good passage and then bad ones; keys of all that are good for it."""

    query: list[int]
    passages: list[list[int]]
    good: list[int]


class Encoder(NamedTuple):
    """How texts become tokens: a template's words around them, cut to a length, the end token last."""

    tokenizer: Any
    settings: EmbeddingArgument

    def query(self, text: str) -> list[int]:
        """Return the tokens of a query."""
        return self.tokens(text, self.settings.query_template, self.settings.max_query_len)

    def passage(self, text: str) -> list[int]:
        """Return the tokens of a passage."""
        return self.tokens(text, self.settings.passage_template, self.settings.max_passage_len)

    def tokens(self, text: str, template: str, length: int) -> list[int]:
        """Return the tokens; the text is cut, never the words of the template, as upstream does it
        (paddlenlp 3.0.0b4, datasets/embedding_dataset.py:86)."""
        before, after = (self.plain(part) for part in template.split(TEXT))
        after = after or [int(self.tokenizer.eos_token_id)]
        return before + self.plain(text)[: max(1, length - len(before) - len(after))] + after

    def plain(self, text: str) -> list[int]:
        """Return the tokens of a text by itself."""
        return [int(token) for token in self.tokenizer(text, add_special_tokens=False)["input_ids"]]


class Examples(Dataset):  # type: ignore[misc]
    """One example for each good passage of each query."""

    def __init__(self, examples: list[Example]) -> None:
        super().__init__()
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, number: int) -> Example:
        return self.examples[number]

    def tokens(self, number: int) -> int:
        """Return the tokens of an example: query and passages."""
        example = self.examples[number]
        return len(example.query) + sum(map(len, example.passages))


def key_of(tokens: list[int]) -> int:
    """Return a number by which equal passages are known, a 63-bit hash of the tokens."""
    digest = hashlib.blake2b(np.array(tokens, np.int64).tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the prepared rows; raises `RefusedError` for others."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        row = json.loads(line)
        if not {"query", "pos_passage", "neg_passage"} <= set(row):
            raise RefusedError(
                say("{path}, line {line}: a row needs `query`, `pos_passage` and `neg_passage`.",
                    path=path, line=number)
            )  # fmt: skip
        rows.append(row)
    return rows


def load(path: Path, encoder: Encoder) -> Loaded:
    """Return the examples of a file of prepared rows, and what was noticed."""
    settings = encoder.settings
    examples, cut = [], 0
    for row in read_rows(path):
        query = encoder.query(row["query"])
        good = [encoder.passage(text) for text in row["pos_passage"]]
        bad = [encoder.passage(text) for text in row["neg_passage"][: settings.group_size - 1]]
        cut += len(query) >= settings.max_query_len or any(
            len(tokens) >= settings.max_passage_len for tokens in (*good, *bad)
        )
        keys = [key_of(tokens) for tokens in good]
        examples += [Example(query, [one, *bad], keys) for one in good]
    if not examples:
        raise RefusedError(say("{path} has no query with a passage that answers it.", path=path))
    dataset = Examples(examples)
    tokens = sum(dataset.tokens(number) for number in range(len(dataset)))
    return Loaded(dataset, len(examples), tokens, tokens, cut, 0)


def collate(examples: list[Example]) -> dict[str, np.ndarray]:
    """Return a batch: padded tokens and mask of all queries and then all passages, which run together;
    `target`, the place of each query's own passage; `passage_keys`; `good_keys`, one row per query, filled
    up with -1."""
    passages = [tokens for example in examples for tokens in example.passages]
    starts = np.cumsum([0, *(len(example.passages) for example in examples[:-1])])
    most = max(len(example.good) for example in examples)
    good = np.full([len(examples), most], -1, np.int64)
    for row, example in enumerate(examples):
        good[row, : len(example.good)] = example.good
    ids, mask = padded([*(example.query for example in examples), *passages])
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "target": starts.astype(np.int64),
        "passage_keys": np.array([key_of(tokens) for tokens in passages], np.int64),
        "good_keys": good,
    }


def padded(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return int64 [rows, longest] tokens and mask, padded on the right with token 0."""
    ids = np.zeros([len(rows), max(map(len, rows))], np.int64)
    mask = np.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
        mask[number, : len(row)] = 1
    return ids, mask
