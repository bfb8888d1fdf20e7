"""Vectors of texts: what a causal language model holds at the end of a text, scaled to length 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import paddle
from paddle.nn import functional

from runtime.workers.decoding import causal_model
from runtime.workers.embedding_dataset import padded
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

BATCH_TOKENS = 4096
"""Tokens that are read together while nothing is trained."""


class LastHidden:
    """Catches the hidden states before the output head, which then has almost nothing left to compute.

    The whole model runs, wrapped as it may be for several processes; only the head is spared. Outside of
    `vectors` the model says its logits as ever.
    """

    def __init__(self, causal: Any) -> None:
        head = getattr(causal, "lm_head", None)
        if head is None:
            raise RefusedError(
                say("{kind} has no output head to take states from.", kind=type(causal).__name__)
            )
        self.hidden: paddle.Tensor | None = None
        self.catching = False
        self.head = head
        head.register_forward_pre_hook(self.catch)

    def catch(self, layer: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Keep the states [rows, length, width], and hand one of them on.

        It stays part of the graph: with several processes Paddle looks from the logits for the weights that
        take part.
        """
        if not self.catching:
            return None
        hidden, *rest = inputs
        self.hidden = hidden
        return (hidden[:1, :1], *rest)


def vectors(model: Any, caught: LastHidden, ids: paddle.Tensor, mask: paddle.Tensor) -> paddle.Tensor:
    """Return float32 [rows, width], each of length 1: the states of each row's last token."""
    caught.catching = True
    try:
        model(input_ids=ids, attention_mask=mask)
    finally:
        caught.catching = False
    hidden, caught.hidden = caught.hidden, None
    assert hidden is not None
    return pooled(hidden, mask)


def pooled(hidden: paddle.Tensor, mask: paddle.Tensor) -> paddle.Tensor:
    """Return the last token's state of each row, scaled to length 1; rows are padded on the right."""
    last = mask.sum(axis=1) - 1
    rows = paddle.arange(hidden.shape[0], dtype=last.dtype)
    found = hidden.gather_nd(paddle.stack([rows, last], axis=1)).astype("float32")
    return functional.normalize(found, axis=-1)


def embed(
    model: Any, texts: Sequence[list[int]], each_batch: Callable[[int], None] = lambda done: None
) -> np.ndarray:
    """Return float32 [texts, width] of a model that is not trained now; `each_batch(done)` may raise."""
    causal = causal_model(model)
    backbone = getattr(causal, causal.base_model_prefix)
    training = model.training
    model.eval()
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    found: dict[int, np.ndarray] = {}
    start = 0
    while start < len(order):
        rows = max(1, BATCH_TOKENS // len(texts[order[min(start + 31, len(order) - 1)]]))
        batch = order[start : start + min(rows, 32)]
        ids, mask = map(paddle.to_tensor, padded([texts[number] for number in batch]))
        with paddle.no_grad():
            hidden = backbone(ids, attention_mask=mask, return_dict=True)[0]
            found |= dict(zip(batch, pooled(hidden, mask).numpy(), strict=True))
        start += len(batch)
        each_batch(start)
    if training:
        model.train()
    return np.stack([found[number] for number in range(len(texts))])
