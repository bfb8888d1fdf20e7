"""The training and dev rows as token ids and labels, packed or not, and batches as PaddleFormers' models want
them.

Rows are read in the toolkit's own formats `messages` (JSON lines with `messages`) and, for texts, `erniekit`.
They become tokens by the code that serves the other engine too, so both train on the same ids and labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from paddle.io import Dataset

from runtime.workers.conversation import IGNORED, encode
from runtime.workers.json_lines import read_rows
from runtime.workers.paddleformers.arguments import Arguments
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

Row = dict[str, Any]
"""`input_ids` and `labels` of one conversation; `labels[i]` should follow `input_ids[i]`."""


class Rows(Dataset):  # type: ignore[misc]
    """Sequences, each a list of rows that share it; without packing, of one row."""

    def __init__(self, packs: list[list[Row]]) -> None:
        super().__init__()
        self.packs = packs

    def __len__(self) -> int:
        return len(self.packs)

    def __getitem__(self, index: int) -> list[Row]:
        return self.packs[index]

    def tokens(self, index: int) -> int:
        """Return the number of tokens in a sequence."""
        return sum(len(row["input_ids"]) for row in self.packs[index])


class Loaded(NamedTuple):
    """A split, and what was noticed while it was tokenized."""

    dataset: Any
    """Sequences, with `tokens(index)`."""
    rows: int
    tokens: int
    answer_tokens: int
    cut_rows: int
    silent_rows: int


def as_turns(row: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a row of `messages` or `erniekit` as questions and answers, the system prompt apart."""
    if "src" in row:
        return {**row, "context": {"system": row.get("system", "")}}
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RefusedError(say("{where} has no `messages`.", where=where))
    system = ""
    if messages[0].get("role") == "system":
        system, messages = str(messages[0]["content"]), messages[1:]
    roles = [message.get("role") for message in messages]
    if roles != ["user", "assistant"] * (len(roles) // 2) or not roles:
        raise RefusedError(
            say(
                "{where}: questions and answers do not alternate; its roles are {roles}.",
                where=where,
                roles=", ".join(map(str, roles)),
            )
        )
    texts = [str(message["content"]) for message in messages]
    return {"src": texts[::2], "tgt": texts[1::2], "context": {"system": system}}


def load(path: Path, tokenizer: Any, arguments: Arguments) -> Loaded:
    """Tokenize a split. Rows without any position that carries loss are counted, and not trained on."""
    most = int(arguments.data.max_seq_len)
    source_length = int(arguments.extras.get("src_length", most))
    rows: list[Row] = []
    cut = silent = 0
    for number, row in enumerate(read_rows(path), start=1):
        turns = as_turns(row, say("{path}, line {number}", path=path, number=number))
        encoded = encode(tokenizer, turns, source_length, most)
        cut += encoded.cut
        if encoded.teaches:
            rows.append({"input_ids": encoded.input_ids, "labels": encoded.labels})
        else:
            silent += 1
    if not rows:
        raise RefusedError(
            say("{path} has no row that could teach anything.", path=path),
            say("{count} row(s) have no answer token left within {most} tokens.", count=silent, most=most)
            if silent
            else say("It is empty."),
        )
    return Loaded(
        Rows(packed(rows, most, arguments.data.greedy_intokens) if arguments.data.packing else alone(rows)),
        len(rows),
        sum(len(row["input_ids"]) for row in rows),
        sum(label != IGNORED for row in rows for label in row["labels"]),
        cut,
        silent,
    )


def alone(rows: list[Row]) -> list[list[Row]]:
    """Return every row as its own sequence."""
    return [[row] for row in rows]


def packed(rows: Iterable[Row], most: int, greedy: bool) -> list[list[Row]]:
    """Return sequences of rows, of at most `most` tokens each.

    In the order of the file; `greedy` looks for room in every open sequence, else only the last is filled.
    """
    packs: list[list[Row]] = []
    room: list[int] = []
    for row in rows:
        size = len(row["input_ids"])
        candidates = range(len(packs)) if greedy else range(max(0, len(packs) - 1), len(packs))
        place = next((index for index in candidates if room[index] >= size), None)
        if place is None:
            packs.append([row])
            room.append(most - size)
        else:
            packs[place].append(row)
            room[place] -= size
    return packs


class Collator:
    """Joins sequences into a batch, padded on the right.

    With `flashmask` the mask is the toolkit's list of row indices. Elsewhere it is [batch, length], or
    [batch, 1, length, length] where several rows share a sequence: they do not see each other.
    """

    def __init__(self, pad_token: int, attention: str, fixed_length: int = 0) -> None:
        self.pad_token = pad_token
        self.attention = attention
        self.fixed_length = fixed_length

    def __call__(self, batch: Sequence[list[Row]]) -> dict[str, Any]:
        """Return the batch's arrays, and as `real_tokens` how many of its tokens are no padding."""
        sizes = [sum(len(row["input_ids"]) for row in pack) for pack in batch]
        length = self.fixed_length or max(sizes)
        ids = np.full((len(batch), length), self.pad_token, np.int64)
        labels = np.full((len(batch), length), IGNORED, np.int64)
        positions = np.zeros((len(batch), length), np.int64)
        for number, pack in enumerate(batch):
            ids[number, : sizes[number]] = np.concatenate([row["input_ids"] for row in pack])
            labels[number, : sizes[number]] = np.concatenate([row["labels"] for row in pack])
            positions[number, : sizes[number]] = np.concatenate(
                [np.arange(len(row["input_ids"])) for row in pack]
            )
        return {
            "input_ids": ids,
            "labels": labels,
            "position_ids": positions,
            "real_tokens": sum(sizes),
            **self.mask(batch, sizes, length),
        }

    def mask(self, batch: Sequence[list[Row]], sizes: list[int], length: int) -> dict[str, Any]:
        """Return the argument that says which position sees which."""
        spans = [[list(range(len(row["input_ids"]))) for row in pack] for pack in batch]
        if self.attention == "flashmask":
            from paddleformers.datasets.collate import gen_attn_mask_startend_row_indices

            rows = [gen_attn_mask_startend_row_indices(pack, length, False) for pack in spans]
            return {"attn_mask_startend_row_indices": np.concatenate(rows)}
        if all(len(pack) == 1 for pack in batch):
            return {"attention_mask": (np.arange(length) < np.array(sizes)[:, None]).astype(np.int64)}
        from paddleformers.datasets.collate import gen_self_attn_mask

        return {"attention_mask": np.concatenate([gen_self_attn_mask(pack, length, False) for pack in spans])}
