"""Pairs of answers as packed sequences, in the layout of PaddleFormers' preference criterion.

A pair is one sequence: prompt, better answer, worse answer; both follow the prompt by their positions, and
neither sees the other. The last token of the prompt stands before each answer once more, since it is what
predicts the answer's first token.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from runtime.workers.conversation import IGNORED
from runtime.workers.json_lines import read_rows
from runtime.workers.paddleformers.arguments import Arguments
from runtime.workers.paddleformers.dataset import Loaded, Rows, packed
from runtime.workers.preference_rows import Pair, pairs
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say


def as_preference(row: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a row of `messages` with two responses as questions, earlier answers and ranked answers."""
    if "response" in row:  # erniekit
        return {**row, "context": {"system": row.get("system", "")}}
    try:
        messages = list(row["messages"])
        answers = [text_of(row["chosen_response"]), text_of(row["rejected_response"])]
        system = str(messages.pop(0)["content"]) if messages[0]["role"] == "system" else ""
        texts = [str(message["content"]) for message in messages]
    except (KeyError, IndexError, TypeError) as error:
        raise RefusedError(
            say("{where} is no pair of answers: it lacks {field}.", where=where, field=error)
        ) from error
    return {
        "src": texts[::2],
        "tgt": texts[1::2],
        "response": answers,
        "sort": [1, 0],
        "context": {"system": system},
    }


def text_of(answer: Any) -> str:
    """Return an answer's text: it is one, or a list of one message."""
    return answer if isinstance(answer, str) else str(answer[-1]["content"])


def sequence(pair: Pair) -> dict[str, Any]:
    """Return a pair's tokens, positions and labels, and where its answers begin and end."""
    prompt, first, second = pair.prompt, pair.first, pair.second
    begin = len(prompt) - 1
    middle = begin + len(first)
    return {
        "input_ids": prompt[:-1] + (prompt[-1:] + first[:-1]) + (prompt[-1:] + second[:-1]),
        "position_ids": [*range(middle), *range(begin, begin + len(second))],
        "labels": [IGNORED] * begin + first + second,
        "marks": [begin, middle, middle + len(second)],
    }


def load(path: Path, tokenizer: Any, arguments: Arguments) -> Loaded:
    """Tokenize a split of pairs. Those whose answers were cut to the same text teach nothing and are left
    out.
    """
    most, prompt = int(arguments.data.max_seq_len), int(arguments.data.max_prompt_len)
    rows: list[dict[str, Any]] = []
    cut = silent = answers = 0
    given = [
        as_preference(row, say("{path}, line {number}", path=path, number=number))
        for number, row in enumerate(read_rows(path), start=1)
    ]
    for pair in pairs(given, tokenizer, most, prompt):
        cut += pair.cut
        if not pair.first or not pair.second or pair.first == pair.second:
            silent += 1
            continue
        rows.append(sequence(pair))
        answers += len(pair.first) + len(pair.second)
    if not rows:
        raise RefusedError(
            say("{path} has no row that could teach anything.", path=path),
            say(
                "{count} row(s) have no answers left that differ within {most} tokens.",
                count=silent,
                most=most,
            )
            if silent
            else say("It is empty."),
        )
    packs = (
        packed(rows, most, arguments.data.greedy_intokens)
        if arguments.data.packing
        else [[row] for row in rows]
    )
    total = sum(len(row["input_ids"]) for row in rows)
    return Loaded(Rows(packs), len(rows), total, answers, cut, silent)


class Collator:
    """Joins packs of pairs into a batch, padded on the right.

    What sees what is a mask [packs, 1, length, length], or for FlashMask [packs, 1, length, 1]: the first row
    that no longer sees a position.
    """

    def __init__(self, pad_token: int, attention: str, fixed_length: int = 0) -> None:
        self.pad_token = pad_token
        self.attention = attention
        self.fixed_length = fixed_length

    def __call__(self, batch: Sequence[list[dict[str, Any]]]) -> dict[str, Any]:
        """Return the arrays; `response_indexs` [pairs, 4]: pack, begin, middle, end of the answers."""
        sizes = [sum(len(row["input_ids"]) for row in pack) for pack in batch]
        length = self.fixed_length or max(sizes)
        shape = (len(batch), length)
        ids = np.full(shape, self.pad_token, np.int64)
        labels = np.full(shape, IGNORED, np.int64)
        positions, limits = np.zeros(shape, np.int64), np.zeros(shape, np.int32)
        marks: list[list[int]] = []
        for number, pack in enumerate(batch):
            start = 0
            for row in pack:
                begin, middle, end = (start + mark for mark in row["marks"])
                ids[number, start:end] = row["input_ids"]
                labels[number, start:end] = row["labels"]
                positions[number, start:end] = row["position_ids"]
                limits[number, start:end] = end
                limits[number, begin:middle] = middle
                marks.append([number, begin, middle, end])
                start = end
            limits[number, start:] = np.arange(start, length) + 1
        found = {
            "input_ids": ids,
            "position_ids": positions,
            "response_labels": labels,
            "response_indexs": np.asarray(marks, np.int64),
            "real_tokens": sum(sizes),
        }
        if self.attention == "flashmask":
            return found | {"attn_mask_startend_row_indices": limits[:, None, :, None]}
        rows = np.arange(length)
        seen = (rows[:, None] >= rows) & (rows[:, None] < limits[:, None, None, :])
        return found | {"attention_mask": seen.astype(np.float32)}
