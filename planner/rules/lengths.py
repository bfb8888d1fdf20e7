"""How long a sequence should be: a row as it is, a pack of rows, or a piece of text."""

from __future__ import annotations

from typing import NamedTuple

from planner.budget import wanted_epochs
from planner.search import TARGET_STEPS, fits
from planner.situation import Situation
from planner.workload import nearest_power_of_two, power_of_two_below, round_up

LONGEST_PACK = {"cpu": 1024, "gpu": 4096}
"""Longest packed sequence that a plan chooses by itself where no row is longer: beyond it attention and a
step's time grow, and little is won. 4096 is also what upstream's pretraining recipes train on."""

SHORTEST_PACK = 128

LONGEST_DENSE_PACK = 2048
"""The same on a device without FlashAttention, where every attention score is stored."""


class Length(NamedTuple):
    """A length that was found, and why it is no longer."""

    tokens: int
    bound: str
    """`steps`: a longer pack would leave too few of them; `rows`: just the longest row; `memory`: what was
    wanted does not fit; `attention`: more would cost more than it is worth; `model`: it reads no more."""


def row_length(s: Situation) -> int:
    """Return the tokens that a row may have: the longest row, unless a few outliers alone would double it."""
    lengths = s.data.lengths
    wanted = lengths.max if lengths.max <= max(512, 2 * lengths.p99) else lengths.p99
    return max(16, min(round_up(wanted, 8), s.model.max_position_embeddings))


def longest_pack(s: Situation) -> int:
    """Return the longest pack of short rows that is worth its attention."""
    dense = s.on_gpu and not s.flag("use_flash_attention")
    return LONGEST_DENSE_PACK if dense else LONGEST_PACK[s.device]


def pack_length(s: Situation) -> Length:
    """Return the packed length that leaves about TARGET_STEPS steps: long for much data, short for little.

    Packs are halved, down to the longest row, as long as nothing else makes the model fit.
    """
    row, most = row_length(s), min(longest_pack(s), s.model.max_position_embeddings)
    tokens = s.data.lengths.total * wanted_epochs(s)
    by_steps = max(nearest_power_of_two(tokens / (TARGET_STEPS * s.workers)), SHORTEST_PACK)
    wanted = min(by_steps, most)
    length = shortened(s, wanted, row)
    if length <= row:
        return Length(row, "rows")
    if length < wanted:
        return Length(length, "memory")
    return Length(length, "steps" if by_steps < most else "attention")


def piece_length(s: Situation) -> Length:
    """Return the length of the pieces into which pretraining cuts its text: the usual one, or as much more as
    keeps nine of ten documents whole.

    What is cut off is learned without what it refers to (arXiv:2404.10830); but attention grows with the
    square of the length, for which reason long pieces are kept for where they serve (arXiv:2407.21783,
    section 3.4.2). On devices without FlashAttention, and for goal speed, pieces stay as they usually are.
    """
    reads, usual = s.model.max_position_embeddings, longest_pack(s)
    long_ones = s.on_gpu and s.flag("use_flash_attention") and s.wishes.goal != "speed"
    most = max(usual, attention_balance(s)) if long_ones else usual
    wanted = usual
    while wanted < s.data.lengths.p90 and 2 * wanted <= min(most, reads):
        wanted *= 2
    wanted = min(wanted, reads)
    length = shortened(s, wanted, SHORTEST_PACK)
    if length < wanted:
        return Length(length, "memory")
    if length >= s.data.lengths.p90:
        return Length(length, "rows")
    return Length(length, "model" if 2 * length > reads else "attention")


def attention_balance(s: Situation) -> int:
    """Return the power of two below the length at which the products of causal attention, 2 x tokens x width
    x blocks a token, are as much work as those with the weights, 2 a weight (arXiv:2001.08361, table 1)."""
    width = s.model.num_attention_heads * s.model.head_dim
    return power_of_two_below(s.model.active_parameters / (width * s.model.num_hidden_layers))


def shortened(s: Situation, length: int, shortest: int) -> int:
    """Return `length`, halved until some layout fits or it is no longer than `shortest`.

    Shorter packs are the price for weights in 16 bits; where no length pays it, only what fits with weights
    in few bits counts.
    """
    if fits_at(s, length):
        return length
    quantised = not fits_at(s, shortest)
    while length > shortest and not fits_at(s, length, quantised):
        length //= 2
    return length


def fits_at(s: Situation, length: int, quantised: bool = False) -> bool:
    """Return whether any layout fits with packs of this length, `quantised` also with weights in few bits."""
    return fits(s.trying(zero_padding=True), length, quantised=quantised)
