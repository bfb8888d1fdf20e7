"""How surprised a model is by held-out text: the mean loss per token, and its exponential, the perplexity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import paddle
from paddle.nn import functional

from runtime.workers.pretrain_dataset import Blocks

MOST_TOKENS = 1 << 18
"""Most tokens of held-out text that are read: the mean of 262,144 losses of spread 3 is good to 0.006."""

BATCH_TOKENS = 2048
"""Tokens read together; their logits, float32, are the memory that this takes."""


class Surprise(NamedTuple):
    """What reading a text gave."""

    loss: float
    tokens: int

    @property
    def perplexity(self) -> float:
        """Return the exponential of the loss."""
        return float(np.exp(min(self.loss, 700.0)))


def measured_blocks(blocks: Blocks) -> int:
    """Return how many sequences are read: all of them, or as many as hold `MOST_TOKENS`."""
    return min(len(blocks), max(1, MOST_TOKENS // blocks.length))


def read(model: Any, blocks: Blocks, each_batch: Callable[[int], None]) -> Surprise:
    """Return the loss of a causal model over the first sequences; `each_batch(done)` may raise."""
    count = measured_blocks(blocks)
    rows = max(1, BATCH_TOKENS // blocks.length)
    total, tokens = 0.0, 0
    model.eval()
    for start in range(0, count, rows):
        each_batch(start)
        for group in same_length([blocks[number] for number in range(start, min(start + rows, count))]):
            ids = paddle.to_tensor([row["input_ids"] for row in group], dtype="int64")
            labels = paddle.to_tensor([row["labels"] for row in group], dtype="int64")
            with paddle.no_grad():
                logits = model(ids, attention_mask=paddle.ones_like(ids), return_dict=True).logits
                losses = functional.cross_entropy(
                    logits.astype("float32").flatten(0, 1), labels.flatten(), reduction="sum"
                )
            total += float(losses)
            tokens += int(labels.size)
    return Surprise(total / tokens, tokens)


def same_length(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the rows in groups of one length: the last sequence of a text is shorter than the others."""
    lengths = sorted({len(row["labels"]) for row in rows}, reverse=True)
    return [[row for row in rows if len(row["labels"]) == length] for length in lengths]
