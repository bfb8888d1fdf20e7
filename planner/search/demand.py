"""How much a step should see: the rows that one optimizer step averages over, before they are dealt out."""

from __future__ import annotations

import math

from planner.budget import LOOKING_SHARE, TARGET_STEPS, limit_seconds, wanted_epochs
from planner.facts import ModelFacts
from planner.situation import Situation
from planner.workload import sequences

MOST_ROWS = 64
"""Most rows per step that a plan chooses for training every weight: more seldom helps fine-tuning."""

MOST_ADAPTER_ROWS = 32
"""The same for adapters, which take larger steps (PaddleNLP 3.0.0b4 llm/config: 4 x 4 x 8 devices at most,
usually 32)."""

PRETRAIN_TOKENS = ((1.3e8, 5e5), (1.3e9, 1e6), (6.7e9, 2e6), (1.75e11, 3.2e6))
"""Weights -> tokens of one step of pretraining (GPT-3: arXiv:2005.14165, table 2.1)."""


def most_rows(method: str) -> int:
    """Return the most rows per step for a method."""
    return MOST_ROWS if method == "full" else MOST_ADAPTER_ROWS


BATCH_FIT = (0.2920, 0.3271)
"""(factor, exponent): tokens of one step = factor x compute ** exponent, with compute in FLOP of the whole
training: the best batch that DeepSeek measured from 1e17 to 2e19 FLOP (arXiv:2401.02954, equation 1)."""


def pretrain_tokens(model: ModelFacts, corpus_tokens: float) -> float:
    """Return tokens per step of pretraining: what is usual for the size, or less where the text is short."""
    factor, exponent = BATCH_FIT
    compute = 6.0 * model.active_parameters * corpus_tokens
    return min(tokens_by_size(model), float(factor * compute**exponent))


def tokens_by_size(model: ModelFacts) -> float:
    """Return tokens per step where there is text enough, between the table's rows by the logarithm of the
    weights."""
    below = max(
        (row for row in PRETRAIN_TOKENS if row[0] <= model.active_parameters), default=PRETRAIN_TOKENS[0]
    )
    above = min((row for row in PRETRAIN_TOKENS if row[0] > model.active_parameters), default=below)
    if below == above:
        return below[1]
    share = math.log(max(model.active_parameters, below[0]) / below[0]) / math.log(above[0] / below[0])
    return float(below[1] * (above[1] / below[1]) ** share)


def affordable_rows(s: Situation, rate: float | None) -> float:
    """Return rows that the run will see: those wanted, or those that a time limit allows at `rate` tokens
    per second."""
    wanted = float(s.data.train_rows * wanted_epochs(s))
    limit = limit_seconds(s)
    if limit is None or rate is None:
        return wanted
    return max(1.0, min(wanted, limit * (1 - LOOKING_SHARE) * rate / s.data.lengths.mean))


def wanted_rows(s: Situation, method: str, rate: float | None) -> float:
    """Return the rows that a step should see: few enough for TARGET_STEPS steps, and not more than help."""
    most = float(most_rows(method))
    if s.wishes.stage == "pretrain":
        most = max(1.0, pretrain_tokens(s.model, s.data.lengths.total) / s.data.lengths.mean)
    return min(max(1.0, affordable_rows(s, rate) / TARGET_STEPS), most)


def room_for_sequences(s: Situation, rate: float | None = None) -> float:
    """Return the sequences that a step may see while TARGET_STEPS steps are left (pretraining: twice what is
    usual); more are worth less, because fewer steps follow."""
    if s.wishes.stage == "pretrain":
        return 2 * wanted_sequences(s, "full", rate)
    return max(1.0, affordable_rows(s, rate) / TARGET_STEPS * sequences_per_row(s))


def sequences_per_row(s: Situation) -> float:
    """Return packs per row; 1 without packing."""
    packed = bool(s.known("zero_padding", True))
    greedy = bool(s.known("greedy_zero_padding", packed))
    return sequences(s.data, s.whole("max_length"), packed, greedy) / s.data.train_rows


def wanted_sequences(s: Situation, method: str, rate: float | None = None) -> float:
    """Return the same in sequences: packs or rows."""
    return max(1.0, wanted_rows(s, method, rate) * sequences_per_row(s))
