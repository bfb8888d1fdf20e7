"""The contrastive loss over a whole step, and how well queries find their passages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import paddle
from paddle.nn import functional

FORBIDDEN = -1e4
"""Score of a passage that must not be held against a query: its weight in the softmax is 0 in float32."""


class Facts(NamedTuple):
    """What is compared besides vectors: where each query's passage stands, and which are good for it."""

    target: np.ndarray
    passage_keys: np.ndarray
    good_keys: list[list[int]]

    @classmethod
    def of_batch(cls, batch: dict[str, Any]) -> Facts:
        """Return those of a collated batch."""
        good = [[int(key) for key in row if key >= 0] for row in np.asarray(batch["good_keys"])]
        return cls(np.asarray(batch["target"]), np.asarray(batch["passage_keys"]), good)

    @classmethod
    def joined(cls, parts: Sequence[Facts]) -> Facts:
        """Return those of several batches, their passages one after the other."""
        starts = np.cumsum([0, *(len(part.passage_keys) for part in parts[:-1])])
        return cls(
            np.concatenate([part.target + start for part, start in zip(parts, starts, strict=True)]),
            np.concatenate([part.passage_keys for part in parts]),
            [keys for part in parts for keys in part.good_keys],
        )

    def spared(self) -> np.ndarray:
        """Return bool [queries, passages]: good for the query, but not the passage that it is to find."""
        found = np.stack([np.isin(self.passage_keys, keys) for keys in self.good_keys])
        found[np.arange(len(self.target)), self.target] = False
        return found


def contrastive(
    queries: paddle.Tensor,
    passages: paddle.Tensor,
    facts: Facts,
    temperature: float,
    dims: Sequence[int] = (),
) -> paddle.Tensor:
    """Return the mean loss of finding each query's passage among all [scalar].

    Vectors have length 1. With `dims` (Matryoshka, arXiv:2205.13147) it is the sum over vectors cut to each
    of these widths, as upstream's (transformers/contrastive_loss.py:63).
    """
    losses = []
    for width in dims or (queries.shape[-1],):
        pair = [functional.normalize(side[:, :width], axis=-1) for side in (queries, passages)]
        scores = paddle.matmul(pair[0], pair[1], transpose_y=True) / temperature
        spared = paddle.to_tensor(facts.spared().astype(np.float32))
        losses.append(functional.cross_entropy(scores + FORBIDDEN * spared, paddle.to_tensor(facts.target)))
    return paddle.add_n(losses)


class Found(NamedTuple):
    """How well queries find their passages among those of all queries."""

    loss: float
    recall: float
    """Share of queries whose nearest passage is a good one."""
    margin: float
    """Mean of: likeness (cosine) of the query's passage less that of the nearest one that is not good."""
    nearest: np.ndarray
    """[queries]: number of the nearest passage."""


def judge(queries: np.ndarray, passages: np.ndarray, facts: Facts, temperature: float) -> Found:
    """Return loss, recall@1 and margin; passages that are there several times count once."""
    first = np.unique(facts.passage_keys, return_index=True)[1]
    keys = facts.passage_keys[first]
    good = np.stack([np.isin(keys, wanted) for wanted in facts.good_keys])
    likeness = queries @ passages[first].T
    own = np.einsum("qd,qd->q", queries, passages[facts.target])
    others = np.where(good, -np.inf, likeness)
    scores = np.concatenate([own[:, None], others], axis=1).astype(np.float64) / temperature
    top = scores.max(axis=1)
    losses = np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - scores[:, 0]
    nearest = likeness.argmax(axis=1)
    worst = others.max(axis=1)
    margin = float(np.mean((own - worst)[np.isfinite(worst)])) if np.isfinite(worst).any() else 1.0
    recall = float(good[np.arange(len(good)), nearest].mean())
    return Found(float(losses.mean()), recall, margin, first[nearest])
