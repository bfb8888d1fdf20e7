"""What an adapter adds to the weight of one linear layer, without ever holding the whole product.

A change answers two questions, in float64 and in Paddle's orientation [in, out]: what its `block` between
some inputs and some outputs is, and what the layer `applies` to vectors. The first one merges; the second
one, which is how the layer computes while it trains, checks the merge. NumPy only, so that app and engines
can use it.

Sources: LoRA (arXiv:2106.09685), MosLoRA's mixer (arXiv:2406.11909), VeRA (arXiv:2310.11454), LoKr
(arXiv:2309.14859), MoRA (arXiv:2405.12130) with the rotation of
paddlenlp/peft/lora/lora_layers.py:_apply_mora.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ROWS = 256
"""Rows of the identity that go through a layer at once."""


class Change(Protocol):
    """What is added to one weight."""

    @property
    def shape(self) -> tuple[int, int]:
        """(inputs, outputs) of the layer."""

    def block(self, inputs: slice, outputs: slice) -> Array:
        """Return the change [inputs, outputs] of a part of the weight, float64."""

    def apply(self, vectors: Array, outputs: slice) -> Array:
        """Return what the adapter adds for `vectors` [n, in] at some outputs, [n, outputs], float64."""


class LowRank(NamedTuple):
    """scaling · A·B, with `a` [in, r] and `b` [r, out]."""

    a: Array
    b: Array
    scaling: float

    @property
    def shape(self) -> tuple[int, int]:
        """(inputs, outputs)."""
        return int(self.a.shape[0]), int(self.b.shape[1])

    def block(self, inputs: slice, outputs: slice) -> Array:
        """Return scaling · A[inputs]·B[:, outputs]."""
        result: Array = wide(self.a[inputs]) @ (wide(self.b[:, outputs]) * self.scaling)
        return result

    def apply(self, vectors: Array, outputs: slice) -> Array:
        """Return (x·A)·B·scaling."""
        result: Array = (wide(vectors) @ wide(self.a)) @ wide(self.b[:, outputs]) * self.scaling
        return result


def mixed(a: Array, mixer: Array, b: Array, scaling: float) -> LowRank:
    """Return the change of LoRA with a mixer [r, r] between its matrices: A·M takes A's place."""
    return LowRank(wide(a) @ wide(mixer), b, scaling)


def vera(a: Array, d: Array, b: Array, outer: Array, scaling: float) -> LowRank:
    """Return the change of VeRA: A·diag(d)·B·diag(outer), `d` [r] and `outer` [out]."""
    return LowRank(wide(a) * wide(d), wide(b) * wide(outer), scaling)


class Kronecker(NamedTuple):
    """(scaling · W1 ⊗ W2) transposed, with `w1` [out1, in1] and `w2` [out2, in2]: LoKr."""

    w1: Array
    w2: Array
    scaling: float

    @property
    def shape(self) -> tuple[int, int]:
        """(inputs, outputs)."""
        return int(self.w1.shape[1] * self.w2.shape[1]), int(self.w1.shape[0] * self.w2.shape[0])

    def block(self, inputs: slice, outputs: slice) -> Array:
        """Return the part of the product; element (i, o) is w1[o1, i1] · w2[o2, i2]."""
        ins, outs = np.arange(self.shape[0])[inputs], np.arange(self.shape[1])[outputs]
        (i1, i2), (o1, o2) = np.divmod(ins, self.w2.shape[1]), np.divmod(outs, self.w2.shape[0])
        left, right = wide(self.w1)[np.ix_(o1, i1)], wide(self.w2)[np.ix_(o2, i2)]
        result: Array = (left * right * self.scaling).T
        return result

    def apply(self, vectors: Array, outputs: slice) -> Array:
        """Return x·(W1 ⊗ W2)ᵀ, by two small products."""
        parts = wide(vectors).reshape(len(vectors), self.w1.shape[1], self.w2.shape[1])
        whole = np.einsum("nij,oi,pj->nop", parts, wide(self.w1), wide(self.w2), optimize=True)
        result: Array = whole.reshape(len(vectors), -1)[:, outputs] * self.scaling
        return result


class Mora(NamedTuple):
    """One square matrix `a` [r, r] that groups of inputs share, each turned by its position; scaled by 1."""

    a: Array
    shape: tuple[int, int]

    def block(self, inputs: slice, outputs: slice) -> Array:
        """Return what the layer makes of the identity."""
        return pushed(self, inputs, outputs)

    def apply(self, vectors: Array, outputs: slice) -> Array:
        """Return what `_apply_mora` returns for `vectors`."""
        rank, (width, out) = self.a.shape[0], self.shape
        groups = -(-width // rank)
        x = wide(vectors)
        x = np.concatenate([x, x[:, : groups * rank - width]], axis=1).reshape(len(x), groups, rank)
        frequencies = 1.0 / 10000 ** (np.arange(0, rank, 2) / rank)
        angles = np.tile(np.arange(groups)[:, None] * frequencies[None, :], 2)
        turned = np.concatenate([-x[..., rank // 2 :], x[..., : rank // 2]], axis=-1)
        y = ((x * np.cos(angles) + turned * np.sin(angles)) @ wide(self.a)).reshape(len(x), -1)
        result: Array = np.tile(y, -(-out // y.shape[1]))[:, :out][:, outputs]
        return result


def wide(array: Array) -> Array:
    """Return float64."""
    return np.asarray(array, np.float64)


def pushed(change: Change, inputs: slice, outputs: slice) -> Array:
    """Return the change [inputs, outputs] as what the layer makes of rows of the identity.

    Rows of the identity times A are rows of A, which need not be multiplied. A change that holds its `whole`
    anyway gives a part of it.
    """
    if whole := getattr(change, "whole", None):
        part: Array = whole()[inputs, outputs]
        return part
    if isinstance(change, LowRank):
        product: Array = wide(change.a[inputs]) @ wide(change.b[:, outputs]) * change.scaling
        return product
    numbers = np.arange(change.shape[0])[inputs]
    parts = []
    for start in range(0, len(numbers), ROWS):
        some = numbers[start : start + ROWS]
        rows = np.zeros((len(some), change.shape[0]))
        rows[np.arange(len(some)), some] = 1.0
        parts.append(change.apply(rows, outputs))
    return np.concatenate(parts)
