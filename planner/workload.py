"""Counting: how rows become sequences, sequences become steps, and how much of it is padding. Pure
arithmetic."""

from __future__ import annotations

import math

from planner.facts import DataFacts


def fill(data: DataFacts, max_length: int, greedy: bool) -> float:
    """Return the share of a packed sequence that holds tokens, 0 to 1.

    In order, the last row that does not fit leaves half a row's length empty on average; best fit halves
    that.
    """
    waste = data.lengths.mean / max_length / (4 if greedy else 2)
    return max(0.5, 1 - waste)


def kept_tokens(data: DataFacts, max_length: int) -> float:
    """Return tokens of one epoch after cutting rows to `max_length`; exact when no row is longer."""
    lengths = data.lengths
    if max_length >= lengths.max:
        return float(lengths.total)
    cut = (0.9, lengths.p90), (0.99, lengths.p99), (1.0, lengths.max)
    longer = next((1 - share for share, length in cut if max_length < length), 0.0)
    return max(
        lengths.total * 0.3, lengths.total - longer * data.train_rows * max(0, lengths.p99 - max_length)
    )


def sequences(data: DataFacts, max_length: int, packed: bool, greedy: bool = True) -> int:
    """Return sequences per epoch: rows, or packs of rows."""
    if not packed:
        return data.train_rows
    tokens = kept_tokens(data, max_length)
    return max(1, math.ceil(tokens / (max_length * fill(data, max_length, greedy))))


def sequence_tokens(data: DataFacts, max_length: int, packed: bool, micro_batch: int) -> float:
    """Return the tokens, padding included, that one sequence costs.

    A pack is padded to `max_length`. A row alone costs its own length; rows in a batch are padded to the
    longest of them, for which the 90th percentile stands.
    """
    if packed:
        return float(max_length)
    length = data.lengths.mean if micro_batch == 1 else float(data.lengths.p90)
    return min(length, float(max_length))


def steps_per_epoch(sequence_count: int, per_step: int) -> int:
    """Return optimizer steps per epoch; the last one is completed with rows of the same epoch."""
    return max(1, math.ceil(sequence_count / per_step))


def round_up(number: float, multiple: int) -> int:
    """Return the next multiple."""
    return math.ceil(number / multiple) * multiple


def nearest_power_of_two(number: float) -> int:
    """Return the power of two nearest to `number` by ratio; at least 1."""
    return 1 << max(0, round(math.log2(max(1.0, number))))


def power_of_two_below(number: float) -> int:
    """Return the largest power of two that is at most `number`; at least 1."""
    return 1 << max(0, math.floor(math.log2(max(1.0, number))))
