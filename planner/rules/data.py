"""How rows become sequences: how long, packed or not."""

from __future__ import annotations

from planner.budget import TARGET_STEPS, wanted_epochs
from planner.errors import NothingFeasible
from planner.layout import layout
from planner.phrases import count, plural
from planner.plan import Decision
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.situation import Situation
from planner.workload import fill, nearest_power_of_two, round_up

LONGEST_PACK = {"cpu": 1024, "gpu": 4096}
"""Longest packed sequence that a plan chooses by itself: beyond it attention and a step's time grow, and
little is won."""

SHORTEST_PACK = 128

LONGEST_DENSE_PACK = 2048
"""The same on a GPU without FlashAttention, where every attention score is stored."""


def row_length(s: Situation) -> int:
    """Return the tokens that a row may have: the longest row, unless a few outliers alone would double it."""
    lengths = s.data.lengths
    wanted = lengths.max if lengths.max <= max(512, 2 * lengths.p99) else lengths.p99
    return max(16, min(round_up(wanted, 8), s.model.max_position_embeddings))


def longest_pack(s: Situation) -> int:
    """Return the longest pack that is worth its attention."""
    dense = s.on_gpu and not s.flag("use_flash_attention")
    return LONGEST_DENSE_PACK if dense else LONGEST_PACK[s.device]


def pack_length(s: Situation) -> int:
    """Return the packed length that leaves about TARGET_STEPS steps: long for much data, short for little.

    Packs are halved, down to the longest row, as long as nothing else makes the model fit.
    """
    tokens = s.data.lengths.total * wanted_epochs(s)
    length = nearest_power_of_two(tokens / (TARGET_STEPS * s.workers))
    length = min(max(length, SHORTEST_PACK), longest_pack(s), s.model.max_position_embeddings)
    row = row_length(s)
    while length > row and not fits_at(s, length):
        length //= 2
    return max(length, row)


def fits_at(s: Situation, length: int) -> bool:
    """Return whether any layout fits with packs of this length."""
    trial = Situation(s.facts, s.wishes, dict(s.decisions))
    for name, value in (("max_length", length), ("zero_padding", True)):
        trial.decisions[name] = Decision(value=value, because="on trial", rule="", source="")
    try:
        layout(trial)
    except NothingFeasible:
        return False
    return True


@rule("data.max_length", "max_length", "token lengths of the data; packing: arXiv:2107.02027")
def max_length(s: Situation) -> Choice:
    """As long as the rows are, or as long as a pack should be."""
    lengths, row, pack = s.data.lengths, row_length(s), pack_length(s)
    how = "" if lengths.counted else " (estimated from characters)"
    cut = s.data.train_rows - round(0.99 * s.data.train_rows) if lengths.max > row else 0
    if s.pin("zero_padding") is False or (pack < 1.5 * lengths.mean and s.pin("zero_padding") is None):
        because = f"The longest row has {count(lengths.max)} tokens{how}; rounded up to a multiple of 8."
        if cut:
            because = (
                f"99% of the rows have at most {count(lengths.p99)} tokens{how}; the longest has "
                f"{count(lengths.max)} and would set the memory for all."
            )
        if row == s.model.max_position_embeddings:
            because = (
                f"The model reads at most {count(row)} tokens; the longest row has {count(lengths.max)}{how}."
            )
        return Choice(row, because, (not_(2 * row, "Longer than the rows: only padding would be added."),))
    rows = pack * fill(s.data, pack, greedy=True) / lengths.mean
    return Choice(
        pack,
        f"A pack of {count(pack)} tokens takes about {rows:.1f} rows (average {lengths.mean:.0f} tokens, "
        f"longest {count(lengths.max)}{how}), so that a run has about {TARGET_STEPS} steps or more.",
        (
            not_(row, "The longest row alone: shorter packs waste more of their end."),
            not_(
                2 * pack,
                "Fewer and slower steps." if pack < longest_pack(s) else "More attention work per token.",
            ),
        ),
    )


@rule("data.zero_padding", "zero_padding", f"{MEASURED_CPU}: packed rows equal rows alone to 5e-7")
def zero_padding(s: Situation) -> Choice:
    """Pack when at least one and a half rows fit into a sequence."""
    length, mean = s.whole("max_length"), s.data.lengths.mean
    rows = length / mean
    if rows < 1.5:
        return Choice(
            False,
            f"Rows of {mean:.0f} tokens on average fill {length:,} tokens already.",
            (not_(True, "Two rows seldom fit into one sequence."),),
        )
    wasted = 1 - mean / min(length, s.data.lengths.p90)
    return Choice(
        True,
        f"About {rows:.1f} rows of {mean:.0f} tokens share a sequence of {length:,}, kept apart by the "
        "attention mask.",
        (
            not_(
                False,
                f"Batches would be padded to their longest row; about {max(wasted, 0):.0%} of the work on "
                "padding.",
            ),
        ),
    )


@rule("data.greedy_zero_padding", "greedy_zero_padding", "PaddleNLP 3.0.0b4 datasets/zero_padding_dataset.py")
def greedy(s: Situation) -> Choice:
    """Best fit wastes less than packing in order."""
    if not s.flag("zero_padding"):
        return Choice(False, "Rows are not packed.")
    length = s.whole("max_length")
    best, plain = fill(s.data, length, greedy=True), fill(s.data, length, greedy=False)
    return Choice(
        True,
        f"Best fit fills about {best:.0%} of each pack instead of {plain:.0%}.",
        (not_(False, f"Packing in order leaves about {1 - plain:.0%} empty."),),
    )


@rule("data.src_length", "src_length", "PaddleNLP 3.0.0b4 llm/utils/data.py: prompts are cut to src_length")
def src_length(s: Situation) -> Choice:
    """Leave room for the answer even when a prompt is too long."""
    length = s.whole("max_length")
    if s.data.lengths.max <= length:
        return Choice(
            length - 8,
            f"Every row fits into {length:,} tokens, so no prompt needs cutting; 8 are kept for the answer.",
        )
    answer = max(8, round(s.data.lengths.answer_total / s.data.train_rows))
    value = max(8, (length - min(answer, length // 2)) // 8 * 8)
    return Choice(
        value,
        f"Rows have up to {count(s.data.lengths.max)} tokens: a prompt is cut to {value:,}, so that "
        f"{length - value} of {length:,} stay for the answer, which has {answer} on average.",
        (not_(length, "A prompt that long would leave no token to learn from."),),
    )


@rule("data.seed", "seed", "PaddleNLP 3.0.0b4 default")
def seed(s: Situation) -> Choice:
    """One seed for split, order, initialisation and dropout."""
    return Choice(
        42,
        f"Fixed, so that the same {plural(s.data.train_rows, 'row')} give the same run; any number will do.",
    )


RULES = (max_length, zero_padding, greedy, src_length, seed)
