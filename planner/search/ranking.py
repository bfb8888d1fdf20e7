"""Predict a whole grid at once, order it, and keep the best of every kind with the reason it lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planner import memory, speed
from planner.language import say
from planner.pace import cluster, speed_ratio
from planner.phrases import size
from planner.plan import MemoryPart
from planner.search.axes import Dropped
from planner.search.base import HEADROOM, held, memory_limits, profile_of
from planner.search.kinds import Kind
from planner.setup import Setup
from planner.situation import Situation
from planner.workload import sequence_tokens

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]

MARGIN = {
    "tensor": 0.010,
    "pipeline": 0.015,
    "virtual": 0.003,
    "context": 0.010,
    "expert": 0.010,
    "sharding": 0.005,
    "recompute": 0.003,
    "offload": 0.010,
    "micro_batch": 0.002,
}
"""What each doubling of a split (each stage, each switch) must win in time to be preferred over a simpler
way: a few percent in all, less than the forecast's own error. A judgement; `burden` adds them up."""

STAGE3_MARGIN = 0.5
"""The same for stage 3, under which saving and reloading is unreliable in this version: it must win by
half."""

PIPELINE_MARGIN = 0.04
"""What a pipeline must win besides: it has failed on several models in this version (PaddleNLP#8579,
#6863)."""

PEAK_STEP = 0.10
"""Goal memory: peaks within a tenth of each other count as equal, and the faster way is taken."""


@dataclass(frozen=True)
class Candidate:
    """One way that was predicted, and why it was not taken."""

    kind: str
    """What is different about it: method, recompute, tensor, pipeline, sharding, offload, micro_batch, ..."""
    setup: Setup
    peak: int
    """Bytes of one process."""
    limit: int
    seconds: float
    """Of one optimizer step."""
    tokens_per_second: float
    """Over all processes, padding included."""
    fits: bool
    reason: str


@dataclass(frozen=True)
class Outcome:
    """The chosen way with its forecast, and the best of each other kind."""

    setup: Setup
    peak: int
    limit: int
    parts: dict[str, MemoryPart]
    seconds_per_step: float
    tokens_per_second: float
    rejected: tuple[Candidate, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    considered: int = 0
    """How many ways were predicted."""

    def best(self, kind: str, matches: Callable[[Setup], bool] = lambda _: True) -> Candidate | None:
        """Return the rejected candidate of a kind whose set-up matches, if there is one."""
        return next((one for one in self.rejected if one.kind == kind and matches(one.setup)), None)


@dataclass(frozen=True)
class Predicted:
    """A grid with its forecasts: arrays of one number for each way."""

    kind: Kind
    grid: Setup
    peak: Numbers
    limit: Numbers
    seconds: Numbers
    tokens_per_second: Numbers
    score: Numbers
    """What is minimised among those that fit."""
    fits: Mask = field(repr=False)

    def best(self, where: Mask | None = None) -> int | None:
        """Return the index of the best way that fits, else of the leanest; None where there is none."""
        allowed = np.ones_like(self.fits) if where is None else where
        for mask, key in ((allowed & self.fits, self.score), (allowed, self.peak)):
            if mask.any():
                return int(np.argmin(np.where(mask, key, np.inf)))
        return None


def predict(s: Situation, kind: Kind, grid: Setup, room: float) -> Predicted:
    """Return the forecasts of every way of a grid, at once.

    A step of more than `room` sequences leaves too few steps: what is beyond counts by its square root, as a
    batch beyond the gradient's noise scale does (arXiv:1812.06162). Processors have few processes anyway.
    """
    number = grid.size
    peak = _full(memory.peak_bytes(s.model, held(grid), s.device, profile_of(s)), number) * memory_ratio(s)
    limit = _full(memory_limits(s, grid.processes), number)
    machines = cluster(s)
    seconds = _full(speed.step_seconds(s.model, grid, machines), number) / speed_ratio(s)
    per_step = _full(grid.micro_batch * grid.accumulation * grid.replicas, number)
    rate = per_step * grid.sequence_length / seconds
    worth = np.where((per_step > room) & s.on_gpu, np.sqrt(per_step * room), per_step)
    time = seconds / worth * padding(s, grid) * (1 + burden(s, grid))
    score = np.floor(np.log(peak) / np.log(1 + PEAK_STEP)) * 1e6 + time if s.wishes.goal == "memory" else time
    return Predicted(kind, grid, peak, limit, seconds, rate, score, peak <= HEADROOM * limit)


def fitting(s: Situation, grid: Setup) -> bool:
    """Return whether any way of a grid fits, without predicting its speed."""
    peak = np.asarray(memory.peak_bytes(s.model, held(grid), s.device, profile_of(s))) * memory_ratio(s)
    return bool((peak <= HEADROOM * np.asarray(memory_limits(s, grid.processes))).any())


def memory_ratio(s: Situation) -> float:
    """Return measured peak / forecast peak of like runs on this machine; 1 without measurements."""
    return s.facts.calibration.memory_ratio if s.facts.calibration else 1.0


def padding(s: Situation, grid: Setup) -> Numbers:
    """Return the tokens that a sequence costs, relative to one row alone: rows in a batch are padded to the
    longest of them."""
    packed = bool(s.known("zero_padding", True))
    alone, together = (sequence_tokens(s.data, grid.sequence_length, packed, number) for number in (1, 2))
    return np.where(np.asarray(grid.micro_batch) == 1, 1.0, together / alone)


def burden(s: Situation, grid: Setup) -> Numbers:
    """Return the share of time that a way must win over the simplest one to be preferred."""
    total: Numbers = np.zeros(grid.size)
    for name in ("tensor", "pipeline", "virtual", "context", "expert"):
        total = total + MARGIN[name] * np.log2(np.asarray(getattr(grid, name)))
    # On processors larger forward passes are as fast, and save launches that the model does not see.
    sign = 1 if s.on_gpu else -1
    total = total + sign * MARGIN["micro_batch"] * np.log2(np.asarray(grid.micro_batch))
    total = total + MARGIN["sharding"] * np.asarray(grid.sharding)
    total = total + PIPELINE_MARGIN * (np.asarray(grid.pipeline) > 1)
    total = total + STAGE3_MARGIN * (np.asarray(grid.sharding) == 3)
    total = total + MARGIN["recompute"] * (np.asarray(grid.recompute) > 0)
    return total + MARGIN["offload"] * np.asarray(grid.offload)


def choose(grids: list[Predicted]) -> tuple[Predicted, int] | None:
    """Return the best way that fits, of the method that the goal prefers; None if nothing fits."""
    ready = [(one, index) for one in grids if one.kind.order is not None and one.fits.any()
             for index in [one.best()] if index is not None]  # fmt: skip
    if not ready:
        return None
    return min(ready, key=lambda found: (found[0].kind.order or 0, float(found[0].score[found[1]])))


def leanest(grids: list[Predicted]) -> tuple[Predicted, int]:
    """Return the way of least memory."""
    every = [(one, int(np.argmin(one.peak))) for one in grids if one.kind.order is not None]
    return min(every, key=lambda found: float(found[0].peak[found[1]]))


def alternatives(s: Situation, grids: list[Predicted], chosen: tuple[Predicted, int]) -> Iterator[Candidate]:
    """Yield the best way of each other method, then of each other value of each split."""
    same, index = chosen
    best = same.grid.one(index)
    for other in grids:
        if other is not same:
            found = other.best()
            if found is not None:
                yield candidate(s, "method", other, found, chosen)
    for kind, mask in others(same, best):
        found = same.best(mask)
        if found is not None:
            yield candidate(s, kind, same, found, chosen)


def others(same: Predicted, best: Setup) -> Iterator[tuple[str, Mask]]:
    """Yield what differs in one respect: each other value of it, with everything else free."""
    for name in (
        "recompute",
        "tensor",
        "pipeline",
        "sharding",
        "context",
        "expert",
        "offload",
        "micro_batch",
    ):
        values = np.broadcast_to(np.asarray(getattr(same.grid, name)), same.peak.shape)
        for value in np.unique(values):
            if value != getattr(best, name):
                yield name, values == value


def candidate(
    s: Situation, kind: str, grid: Predicted, index: int, chosen: tuple[Predicted, int]
) -> Candidate:
    """Return one way with the reason why it lost against the chosen one."""
    setup = grid.grid.one(index)
    peak, limit = int(grid.peak[index]), int(grid.limit[index])
    return Candidate(
        kind=kind,
        setup=setup,
        peak=peak,
        limit=limit,
        seconds=float(grid.seconds[index]),
        tokens_per_second=float(grid.tokens_per_second[index]),
        fits=bool(grid.fits[index]),
        reason=reason(s, grid, index, chosen),
    )


def reason(s: Situation, grid: Predicted, index: int, chosen: tuple[Predicted, int]) -> str:
    """Return in one sentence why a way lost."""
    peak, best = size(grid.peak[index]), chosen[0]
    if not grid.fits[index]:
        usable = size(HEADROOM * grid.limit[index])
        return say("Needs {peak}, and {usable} may be used.", peak=peak, usable=usable)
    share = float(best.tokens_per_second[chosen[1]] / grid.tokens_per_second[index] - 1)
    if share > 0.02:
        return say("Fits with {peak}, and is {share:.0%} slower.", peak=peak, share=share)
    if grid.kind.method != best.kind.method:
        return say(
            "Fits with {peak}, and is less suited to what you favour ({goal}).", peak=peak, goal=s.wishes.goal
        )
    if share > -0.02:
        return say("Fits with {peak}, and is no faster.", peak=peak)
    return say(
        "Fits with {peak} and is {share:.0%} faster, too little for another split.", peak=peak, share=-share
    )


def _full(value: object, number: int) -> Numbers:
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (number,))
