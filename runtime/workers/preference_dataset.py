"""Pairs as packed sequences, in the layout that PaddleNLP's criteria read.

A pair is one sequence: prompt, first answer, second answer. Both answers follow the prompt by their
positions, and neither sees the other. The last token of the prompt stands before each answer once more,
since it is what predicts the answer's first token. Several pairs share a sequence without seeing each
other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from paddle.io import Dataset

from runtime.workers.json_lines import read_rows
from runtime.workers.preference_rows import Pair, judgements, pairs
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedTokenizer
    from paddlenlp.trl import DataConfig

    from runtime.workers.sft_dataset import Loaded

GREEDY_ROWS = 500
"""Rows that are packed together, as upstream's (datasets/zero_padding_dataset.py)."""


def sequence(pair: Pair, scores: bool) -> dict[str, Any]:
    """Return a pair's tokens, positions and labels, and where its answers begin and end.

    Label i is the token that position i has to predict; 0 within the prompt, where nothing is asked. With
    `scores` (reward model) no token stands twice and none is predicted: the last token of an answer is
    scored.
    """
    prompt, first, second = pair.prompt, pair.first, pair.second
    if scores:
        ids, begin = prompt + first + second, len(prompt)
    else:
        ids, begin = prompt[:-1] + (prompt[-1:] + first[:-1]) + (prompt[-1:] + second[:-1]), len(prompt) - 1
    middle = begin + len(first)
    return {
        "input_ids": ids,
        "position_ids": [*range(middle), *range(begin, begin + len(second))],
        "labels": [0] * begin + first + second,
        "marks": (begin, middle, len(ids), int(pair.good)),
    }


class PairPacks(Dataset):  # type: ignore[misc]
    """Packs of pairs. Masks are made when a batch is: kept, they would take `max_length` squared bytes
    each."""

    def __init__(self, packs: list[list[dict[str, Any]]]) -> None:
        super().__init__()
        self.packs = packs

    def __len__(self) -> int:
        return len(self.packs)

    def __getitem__(self, index: int) -> list[dict[str, Any]]:
        return self.packs[index]

    def tokens(self, index: int) -> int:
        """Return the number of tokens in a pack."""
        return sum(len(row["input_ids"]) for row in self.packs[index])


def packed(rows: list[dict[str, Any]], max_length: int, greedy: bool) -> list[list[dict[str, Any]]]:
    """Return the rows in packs of at most `max_length` tokens, by upstream's two ways of packing."""
    packs: list[list[dict[str, Any]]] = []
    if greedy:
        from paddlenlp.datasets.zero_padding_dataset import generate_greedy_packs

        for start in range(0, len(rows), GREEDY_ROWS):
            packs += [
                pack for pack in generate_greedy_packs(rows[start : start + GREEDY_ROWS], max_length) if pack
            ]
        return packs
    used = max_length + 1
    for row in rows:
        length = len(row["input_ids"])
        if used + length > max_length:
            packs.append([])
            used = 0
        packs[-1].append(row)
        used += length
    return packs


def load(path: Path, tokenizer: PretrainedTokenizer, data: DataConfig, stage: str) -> Loaded:
    """Tokenize and pack a split of stage dpo, kto or reward.

    Pairs whose answers were cut to the same beginning teach nothing: they are counted and left out.
    """
    read = judgements if stage == "kto" else pairs
    rows: list[dict[str, Any]] = []
    cut = silent = tokens = answers = 0
    for pair in read(list(read_rows(path)), tokenizer, data.max_length, data.src_length):
        cut += pair.cut
        if not pair.first or not pair.second or (pair.first == pair.second and stage != "kto"):
            silent += 1
            continue
        row = sequence(pair, scores=stage == "reward")
        tokens += len(row["input_ids"])
        answers += len(pair.first) + (0 if stage == "kto" else len(pair.second))
        rows.append(row)
    if not rows:
        raise RefusedError(
            say("{path} has no row that could teach anything.", path=path),
            say(
                "{count} row(s) have no answers left that differ within {most} tokens.",
                count=silent,
                most=data.max_length,
            )
            if silent
            else say("It is empty."),
            say("Raise max_length, or shorten the prompts.") if silent else "",
        )
    from runtime.workers.sft_dataset import Loaded  # here: the other engine weighs pairs, too

    packs = PairPacks(packed(rows, data.max_length, data.greedy_zero_padding))
    return Loaded(packs, len(rows), tokens, answers, cut, silent)


class Collator:
    """Joins packs into a batch of equally long sequences."""

    def __init__(self, length: int | None, pad: int, flash_mask: bool = False) -> None:
        self.length = length
        self.pad = pad
        self.flash_mask = flash_mask

    def __call__(self, batch: list[list[dict[str, Any]]]) -> dict[str, np.ndarray]:
        """Return [packs, length] tokens, positions, labels and owners, what sees what, and per pair [pack,
        begin of first answer, of second, end, good].

        The owner of a position is 1 + 2n in the first answer of pair n, 2 + 2n in its second one, else 0.
        Labels alone cannot tell: token 0 is a word in many vocabularies, and "!" in Qwen's. What sees what
        is a mask [packs, 1, length, length], or for FlashMask [packs, 1, length]: the first row that no
        longer sees a position; then `attention_mask` [packs, length] only tells tokens from padding.
        """
        length = self.length or max(sum(len(row["input_ids"]) for row in pack) for pack in batch)
        names = ("input_ids", "position_ids", "labels")
        found = {name: np.zeros((len(batch), length), np.int64) for name in (*names, "owners")}
        found["input_ids"][:] = self.pad
        limits = np.zeros((len(batch), 1, length), np.int32)
        tokens = np.zeros((len(batch), length), np.int64)
        marks: list[tuple[int, ...]] = []
        for number, pack in enumerate(batch):
            start = 0
            for row in pack:
                end = start + len(row["input_ids"])
                first, second = start + row["marks"][0], start + row["marks"][1]
                for name in names:
                    found[name][number, start:end] = row[name]
                found["owners"][number, first:second] = 1 + 2 * len(marks)
                found["owners"][number, second:end] = 2 + 2 * len(marks)
                limits[number, 0, start:end] = end
                limits[number, 0, first:second] = second
                marks.append((number, first, second, end, row["marks"][3]))
                start = end
            tokens[number, :start] = 1
            limits[number, 0, start:] = start
        found["marks"] = np.asarray(marks, np.int64)
        if self.flash_mask:
            return found | {"attention_mask": tokens, "attn_mask_startend_row_indices": limits}
        rows = np.arange(length)
        return found | {"attention_mask": (rows[:, None] >= rows) & (rows[:, None] < limits[:, :, None, :])}


def inputs_of(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model reads of a batch."""
    mask = "attn_mask_startend_row_indices"
    names = ("input_ids", "position_ids", mask if mask in batch else "attention_mask")
    return {name: batch[name] for name in names}
