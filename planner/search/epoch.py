"""What the search minimises: seconds of one pass over the data, for every way of a grid at once.

It is the time that the forecast shows, counted in the same way (`planner.pace.epoch_seconds`): rows that are
not packed are as long as they are on average, and the last step of a pass is complete.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from planner import speed
from planner.pace import cluster, speed_ratio
from planner.setup import Setup
from planner.situation import Situation
from planner.workload import sequence_tokens, sequences

Numbers = NDArray[np.float64]

ROUNDING = 1.5
"""How far beyond the room a step may go: whole rounds of accumulation seldom hit it exactly."""


class Epoch(NamedTuple):
    """One pass over the data with every way of a grid."""

    seconds: Numbers
    step_seconds: Numbers
    sequences_per_step: Numbers


def epoch(s: Situation, grid: Setup) -> Epoch:
    """Return seconds of a pass and of a step, and the sequences of a step over all replicas."""
    number = grid.size
    alone, together = average_tokens(s, grid, 1), average_tokens(s, grid, 2)
    tokens = np.where(np.asarray(grid.micro_batch) == 1, alone, together)
    usual = replace(grid, sequence_length=tokens)  # type: ignore[arg-type]
    step = full(speed.step_seconds(s.model, usual, cluster(s)), number) / speed_ratio(s)
    per_step = full(grid.micro_batch * grid.accumulation * grid.replicas, number)
    steps = np.maximum(1, np.ceil(sequences_of_epoch(s, grid) / per_step))
    return Epoch(steps * step, step, per_step)


def average_tokens(s: Situation, grid: Setup, micro_batch: int) -> int:
    """Return the tokens that a sequence costs on average, padding included (`planner.pace.pace_setup`)."""
    packed = bool(s.known("zero_padding", True))
    return max(1, round(sequence_tokens(s.data, grid.sequence_length, packed, micro_batch)))


def sequences_of_epoch(s: Situation, grid: Setup) -> int:
    """Return packs or rows of one pass over the data."""
    packed = bool(s.known("zero_padding", True))
    return sequences(s.data, grid.sequence_length, packed, bool(s.known("greedy_zero_padding", packed)))


def most_sequences(found: Epoch, room: float, burden: Numbers) -> float:
    """Return the most sequences that a step may see, for all amounts of memory alike.

    A step of more than `room` sequences leaves too few steps, and how many of them can be avoided depends on
    the model and the devices: what is beyond counts by its square root, as a batch beyond the gradient's
    noise scale does (arXiv:1812.06162), and the best way by that measure sets the bound. Memory has no say
    in it, so that more memory only ever adds ways.
    """
    per_step = found.sequences_per_step
    worth = np.where(per_step > room, np.sqrt(per_step * room), per_step)
    natural = int(np.argmin(found.step_seconds / worth * (1 + burden)))
    return max(ROUNDING * room, float(per_step[natural]))


def full(value: object, number: int) -> Numbers:
    """Return a number, or an array of numbers, as one number for each way."""
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (number,))
