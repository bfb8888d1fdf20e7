"""Predict a whole grid at once, order it, and keep the best of every kind with the reason it lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planner import memory
from planner.plan import MemoryPart
from planner.search.axes import Dropped
from planner.search.base import HEADROOM, held, memory_limits, profile_of
from planner.search.epoch import epoch, full, most_sequences
from planner.search.kinds import Kind
from planner.setup import Setup
from planner.situation import Situation
from planner.workload import kept_tokens

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
"""How much simpler a way is without each doubling of a split (each stage, each switch), as a share of time. A
judgement; `burden` adds them up."""

LAST_RESORT_GAIN, HURRIED_GAIN = 1.5, 1.2
"""How many times as fast as the best way without it a way must be that has a pipeline, or optimizer states
in host memory; the second where speed or a time limit was asked for. A judgement. Pipelines have failed on
several models (PaddleNLP#8579, #6863), with one nothing is answered between steps, and upstream fine-tunes
without: 10 of its 91 recipes and benchmarks have one, eight of them for 70B weights and more; only
DeepSeek-V3's offload."""

TIE = 1.03
"""Ways at most this much slower than the fastest count as equally fast, far less than the forecast's own
error; among them the simplest is taken. So a simpler way never costs more than this, and more memory never
makes a plan slower by more."""

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
    """Over all processes, padding not counted."""
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
    """Of one optimizer step."""
    tokens_per_second: Numbers
    """Over all processes, padding not counted."""
    time: Numbers
    """Of one pass over the data: what is minimised."""
    burden: Numbers
    per_step: Numbers
    """Sequences of a step over all replicas."""
    tier: Numbers
    """Lower goes before everything else: goal memory sorts by peaks."""
    fits: Mask = field(repr=False)
    few: Mask = field(repr=False)
    """Where a step sees no more sequences than it should."""
    gain: float = LAST_RESORT_GAIN
    """How many times as fast a pipeline or offload must be to be taken."""

    def best(self, where: Mask | None = None) -> int | None:
        """Return the index of the best way that fits, else of the leanest; None where there is none."""
        allowed = np.ones_like(self.fits) if where is None else where
        fitting = allowed & self.fits
        if (fitting & self.few).any():
            return self.simplest_of_fastest(fitting & self.few)
        if fitting.any():
            return self.simplest_of_fastest(self.fewest(fitting))
        return int(np.argmin(np.where(allowed, self.peak, np.inf))) if allowed.any() else None

    def fewest(self, mask: Mask) -> Mask:
        """Return the ways of a mask with the fewest sequences per step."""
        found: Mask = mask & (self.per_step == self.per_step[mask].min())
        return found

    def simplest_of_fastest(self, mask: Mask) -> int:
        """Return the way of least time and burden among those of a mask that are about as fast as the
        fastest; with offload or a pipeline only where that is much faster."""
        first = mask & (self.tier == self.tier[mask].min())
        for last_resort in (np.asarray(self.grid.offload), np.asarray(self.grid.pipeline) > 1):
            simple = first & ~last_resort
            if simple.any() and self.time[simple].min() <= self.gain * self.time[first].min():
                first = simple
        tied = first & (self.time <= TIE * self.time[first].min())
        return int(np.argmin(np.where(tied, self.time * (1 + self.burden), np.inf)))

    def score(self, index: int) -> tuple[float, float]:
        """Return what orders ways of different grids."""
        return float(self.tier[index]), float(self.time[index] * (1 + self.burden[index]))


def predict(s: Situation, kind: Kind, grid: Setup, room: float) -> Predicted:
    """Return the forecasts of every way of a grid, at once; a step should see about `room` sequences at
    most, except on processors, which are few anyway."""
    number = grid.size
    peak = full(memory.peak_bytes(s.model, held(grid), s.device, profile_of(s)), number) * memory_ratio(s)
    limit = full(memory_limits(s, grid.processes), number)
    found, weighed = epoch(s, grid), burden(s, grid)
    most = most_sequences(found, room, weighed) if s.on_gpu else np.inf
    by_peak = s.wishes.goal == "memory"
    return Predicted(
        kind=kind,
        grid=grid,
        peak=peak,
        limit=limit,
        seconds=found.step_seconds,
        tokens_per_second=kept_tokens(s.data, grid.sequence_length) / found.seconds,
        time=found.seconds,
        burden=weighed,
        per_step=found.sequences_per_step,
        tier=np.floor(np.log(peak) / np.log(1 + PEAK_STEP)) if by_peak else np.zeros(number),
        fits=peak <= HEADROOM * limit,
        few=found.sequences_per_step <= most,
        gain=needed_gain(s),
    )


def fitting(s: Situation, grid: Setup) -> bool:
    """Return whether any way of a grid fits, without predicting its speed."""
    peak = np.asarray(memory.peak_bytes(s.model, held(grid), s.device, profile_of(s))) * memory_ratio(s)
    return bool((peak <= HEADROOM * np.asarray(memory_limits(s, grid.processes))).any())


def memory_ratio(s: Situation) -> float:
    """Return measured peak / forecast peak of like runs on this machine; 1 without measurements."""
    return s.facts.calibration.memory_ratio if s.facts.calibration else 1.0


def needed_gain(s: Situation) -> float:
    """Return how many times as fast as without it a way with a pipeline or offload must be."""
    hurried = s.wishes.goal == "speed" or s.wishes.time_limit_minutes is not None
    return HURRIED_GAIN if hurried else LAST_RESORT_GAIN


def burden(s: Situation, grid: Setup) -> Numbers:
    """Return the share of time that a way must win over the simplest one to be preferred."""
    total: Numbers = np.zeros(grid.size)
    for name in ("tensor", "pipeline", "virtual", "context", "expert"):
        total = total + MARGIN[name] * np.log2(np.asarray(getattr(grid, name)))
    # On processors larger forward passes are as fast, and save launches that the model does not see.
    sign = 1 if s.on_gpu else -1
    total = total + sign * MARGIN["micro_batch"] * np.log2(np.asarray(grid.micro_batch))
    total = total + MARGIN["sharding"] * np.asarray(grid.sharding)
    total = total + (needed_gain(s) - 1) * (np.asarray(grid.pipeline) > 1)
    total = total + MARGIN["recompute"] * (np.asarray(grid.recompute) > 0)
    return total + MARGIN["offload"] * np.asarray(grid.offload)


def choose(grids: list[Predicted]) -> tuple[Predicted, int] | None:
    """Return the best way that fits, of the method that the goal prefers; None if nothing fits."""
    ready = [(one, index) for one in grids if one.kind.order is not None and one.fits.any()
             for index in [one.best()] if index is not None]  # fmt: skip
    if not ready:
        return None
    return min(ready, key=lambda found: (found[0].kind.order or 0, found[0].score(found[1])))


def leanest(grids: list[Predicted]) -> tuple[Predicted, int]:
    """Return the way of least memory."""
    every = [(one, int(np.argmin(one.peak))) for one in grids if one.kind.order is not None]
    return min(every, key=lambda found: float(found[0].peak[found[1]]))
