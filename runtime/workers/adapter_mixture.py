"""Several adapters of one base model as one change: linear, TIES (arXiv:2306.01708) or DARE
(arXiv:2311.03099).

The arithmetic is PaddleNLP's own (paddlenlp/mergekit), given NumPy arrays: with Paddle tensors from
.pdparams its NumPy path is silently wrong, so it never sees files. What adapters add is mixed, never A and B
by themselves: the mean of two products is not the product of two means. `restated` says the same methods once
more, in a few lines of its own, and `shard_merge.check_shards` compares the two number by number.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.workers.weight_change import Change

Array = NDArray[Any]

METHODS = ("linear", "ties", "dare_linear", "dare_ties")


class Recipe(NamedTuple):
    """How adapters are mixed."""

    method: str
    weights: tuple[float, ...]
    density: float = 1.0
    """Share of the numbers that TIES (the largest) or DARE (drawn at random) keeps."""
    normalize: bool = True
    """Divide by the sum of the weights that had a say; DARE's and TIES' papers scale afterwards instead."""
    seed: int = 42


class Mixture:
    """The change of one tensor; the whole of it is in memory while it is asked for."""

    held: tuple[str, Array] | None = None
    """Name and change of the tensor that was asked for last, of all mixtures."""

    def __init__(self, name: str, parts: list[Change], recipe: Recipe, merge: Callable[..., Array]) -> None:
        self.name, self.parts, self.recipe, self.merge = name, parts, recipe, merge
        self.shape = parts[0].shape

    def block(self, inputs: slice, outputs: slice) -> Array:
        """Return a part of what the library makes of the parts' changes."""
        return self._whole("library", self._by_library)[inputs, outputs]

    def apply(self, vectors: Array, outputs: slice) -> Array:
        """Return what our own statement of the method adds for `vectors`."""
        result: Array = np.asarray(vectors, np.float64) @ self.whole()[:, outputs]
        return result

    def whole(self) -> Array:
        """Return the change [in, out] by our own statement of the method."""
        return self._whole("restated", lambda: restated(self.name, self._deltas(), self.recipe))

    def _deltas(self) -> list[Array]:
        everything = slice(None)
        return [part.block(everything, everything) for part in self.parts]

    def _by_library(self) -> Array:
        return self.merge(self.name, self._deltas(), self.recipe)

    def _whole(self, how: str, make: Callable[[], Array]) -> Array:
        key = f"{how} {self.name}"
        if Mixture.held is None or Mixture.held[0] != key:
            Mixture.held = None  # let go of the last one before the next is made
            Mixture.held = key, make()
        return Mixture.held[1]


def seed_of(name: str, recipe: Recipe) -> int:
    """Return the seed of one tensor's random choices, the same whenever it is merged."""
    return zlib.crc32(f"{recipe.seed} {name}".encode())


def by_library(name: str, deltas: list[Array], recipe: Recipe) -> Array:
    """Return the mixed change [in, out] by paddlenlp.mergekit. It writes into what it is given."""
    from paddlenlp.mergekit import MergeMethod, SparsifyMethod

    dare = recipe.method.startswith("dare")
    config = SimpleNamespace(
        tensor_type="np",
        merge_type="ties" if recipe.method.endswith("ties") else "linear",
        sparsify_type="dare" if dare else "trim" if recipe.method == "ties" else None,
        reserve_p=recipe.density,
        rescale=dare,
        weight_list=list(recipe.weights),
        normalize=recipe.normalize,
        ties_elect_type="sum",
    )
    np.random.seed(seed_of(name, recipe))
    merged: Array = MergeMethod(config, SparsifyMethod(config)).merge(deltas)
    return np.asarray(merged, np.float64)


def restated(name: str, deltas: list[Array], recipe: Recipe) -> Array:
    """Return the mixed change by our own statement of the methods."""
    stacked = np.stack(deltas)
    if recipe.method.startswith("dare"):
        np.random.seed(seed_of(name, recipe))
        kept = np.stack([np.random.rand(*delta.shape) < recipe.density for delta in deltas])
        stacked = stacked * kept / recipe.density
    elif recipe.method == "ties":
        sizes = np.abs(stacked).reshape(len(deltas), -1)
        least = np.quantile(sizes, 1 - recipe.density, axis=1)
        stacked = stacked * (np.abs(stacked) >= least[:, None, None])
    weights = np.array(recipe.weights)[:, None, None]
    if not recipe.method.endswith("ties"):
        total: Array = (weights * stacked).sum(0)
        return total / weights.sum() if recipe.normalize else total
    weighted = weights * stacked
    sign = np.where(weighted.sum(0) >= 0, 1.0, -1.0)
    agrees = np.sign(weighted) == sign
    chosen: Array = (weighted * agrees).sum(0)
    if not recipe.normalize:
        return chosen
    voted = (agrees * weights).sum(0)
    return chosen / np.where(np.abs(voted) < 1e-8, 1.0, voted)
