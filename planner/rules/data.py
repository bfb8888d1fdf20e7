"""How rows become sequences: how long, packed or not."""

from __future__ import annotations

from planner.budget import wanted_epochs
from planner.language import say
from planner.methods import methods
from planner.phrases import count, plural
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.search import TARGET_STEPS, fits
from planner.situation import Situation
from planner.unused import PACKED_STAGES
from planner.workload import fill, nearest_power_of_two, round_up

LONGEST_PACK = {"cpu": 1024, "gpu": 4096}
"""Longest packed sequence that a plan chooses by itself: beyond it attention and a step's time grow, and
little is won. 4096 is also what upstream's pretraining recipes train on."""

SHORTEST_PACK = 128

LONGEST_DENSE_PACK = 2048
"""The same on a device without FlashAttention, where every attention score is stored."""


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
    if s.wishes.stage == "pretrain":
        return shortened(s, min(longest_pack(s), s.model.max_position_embeddings), SHORTEST_PACK)
    tokens = s.data.lengths.total * wanted_epochs(s)
    length = nearest_power_of_two(tokens / (TARGET_STEPS * s.workers))
    length = min(max(length, SHORTEST_PACK), longest_pack(s), s.model.max_position_embeddings)
    row = row_length(s)
    return max(shortened(s, length, row), row)


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


def packs(s: Situation) -> bool | None:
    """Return whether rows are packed, where the stage or a pin settles it; None where the rows decide."""
    if s.wishes.stage in PACKED_STAGES:
        return True
    if s.wishes.stage in ("embedding", "quantise", "export"):
        return False
    pinned = s.pin("zero_padding")
    return None if pinned is None else bool(pinned)


@rule("data.max_length", "max_length", "token lengths of the data; packing: arXiv:2107.02027")
def max_length(s: Situation) -> Choice:
    """As long as was asked for, as the rows are, or as a pack should be."""
    lengths, row = s.data.lengths, row_length(s)
    wanted = s.wishes.context_length
    if wanted is not None:
        return Choice(
            max(16, round_up(wanted, 8)),
            say(
                "You asked for a context of {wanted:,} tokens; the longest row has {longest}.",
                wanted=wanted,
                longest=count(lengths.max),
            ),
            (not_(row, say("As long as the rows are, and shorter than the context you asked for.")),)
            if row < wanted
            else (),
        )
    if packs(s) is False:
        return single_rows(s, row)
    pack = pack_length(s)
    if s.wishes.stage == "pretrain":
        return Choice(
            pack,
            say(
                "Text is cut into pieces of {length} tokens: every position learns, up to {most} that the "
                "model can "
                "read.",
                length=count(pack),
                most=count(s.model.max_position_embeddings),
            ),
            (not_(2 * pack, say("More attention work per token, for relations that few texts have.")),),
        )
    if pack < 1.5 * lengths.mean and packs(s) is None:
        return single_rows(s, row)
    rows = pack * fill(s.data, pack, greedy=True) / lengths.mean
    because = say(
        "A pack of {length} tokens takes about {rows:.1f} rows (average {mean:.0f} tokens, longest "
        "{longest}"
        "{how}), so that a run has about {steps} steps or more.",
        length=count(pack),
        rows=rows,
        mean=lengths.mean,
        longest=count(lengths.max),
        how=estimated(s),
        steps=TARGET_STEPS,
    )
    if pack < lengths.max:
        because = say("{because} Rows longer than a pack lose their end.", because=because)
    return Choice(
        pack,
        because,
        (
            not_(row, say("The longest row alone: shorter packs waste more of their end.")),
            not_(
                2 * pack,
                say("Fewer and slower steps.")
                if pack < longest_pack(s)
                else say("More attention work per token."),
            ),
        ),
    )


def estimated(s: Situation) -> str:
    """Return a remark for lengths that were not counted."""
    return "" if s.data.lengths.counted else say(" (estimated from characters)")


def single_rows(s: Situation, row: int) -> Choice:
    """Return the length for rows that are not packed."""
    lengths = s.data.lengths
    cut = s.data.train_rows - round(0.99 * s.data.train_rows) if lengths.max > row else 0
    if row == s.model.max_position_embeddings:
        because = say(
            "The model reads at most {row} tokens; the longest row has {longest}{how}.",
            row=count(row),
            longest=count(lengths.max),
            how=estimated(s),
        )
    elif cut:
        because = say(
            "99% of the rows have at most {p99} tokens{how}; the longest has {longest} and would set the "
            "memory for all.",
            p99=count(lengths.p99),
            longest=count(lengths.max),
            how=estimated(s),
        )
    else:
        because = say(
            "The longest row has {longest} tokens{how}; rounded up to a multiple of 8.",
            longest=count(lengths.max),
            how=estimated(s),
        )
    return Choice(row, because, (not_(2 * row, say("Longer than the rows: only padding would be added.")),))


def wanted(s: Situation) -> str:
    """Return the method that the person asked for, before the search has decided; empty when none."""
    named = s.pin("method")
    if named is None and s.pin("num_prefix_tokens") is not None:
        return "prefix_tuning"
    return str(named or "")


def counts_positions(s: Situation) -> bool:
    """Return whether the method that was asked for needs every row in a sequence of its own."""
    return wanted(s) in methods() and not methods()[wanted(s)].packs


@rule("data.zero_padding", "zero_padding", f"{MEASURED_CPU}: packed rows equal rows alone to 5e-7")
def zero_padding(s: Situation) -> Choice:
    """Pack where the stage does, or when at least one and a half rows fit into a sequence."""
    stage, length, mean = s.wishes.stage, s.whole("max_length"), s.data.lengths.mean
    if stage in PACKED_STAGES:
        return Choice(
            True,
            say(
                "The script of stage {stage} always packs rows, about {rows:.1f} of them into {length:,} "
                "tokens.",
                stage=stage,
                rows=length / mean,
                length=length,
            ),
        )
    if stage in ("embedding", "quantise", "export"):
        return Choice(False, say("The script of stage {stage} takes one row at a time.", stage=stage))
    if counts_positions(s):
        return Choice(
            False,
            say("{method} counts positions from where a row begins.", method=methods()[wanted(s)].title),
            (not_(True, say("Rows that share a sequence begin anywhere in it.")),),
        )
    rows = length / mean
    if rows < 1.5:
        return Choice(
            False,
            say(
                "Rows of {mean:.0f} tokens on average fill {length:,} tokens already.",
                mean=mean,
                length=length,
            ),
            (not_(True, say("Two rows seldom fit into one sequence.")),),
        )
    wasted = 1 - mean / min(length, s.data.lengths.p90)
    return Choice(
        True,
        say(
            "About {rows:.1f} rows of {mean:.0f} tokens share a sequence of {length:,}, kept apart by the "
            "attention "
            "mask.",
            rows=rows,
            mean=mean,
            length=length,
        ),
        (
            not_(
                False,
                say(
                    "Batches would be padded to their longest row; about {share:.0%} of the work on padding.",
                    share=max(wasted, 0),
                ),
            ),
        ),
    )


@rule("data.greedy_zero_padding", "greedy_zero_padding", "PaddleNLP 3.0.0b4 datasets/zero_padding_dataset.py")
def greedy(s: Situation) -> Choice:
    """Best fit wastes less than packing in order."""
    if not s.flag("zero_padding"):
        return Choice(False, say("Rows are not packed."))
    if s.wishes.stage == "pretrain":
        return Choice(False, say("Text is cut at the end of a sequence, and none of it stays empty."))
    length = s.whole("max_length")
    best, plain = fill(s.data, length, greedy=True), fill(s.data, length, greedy=False)
    return Choice(
        True,
        say("Best fit fills about {best:.0%} of each pack instead of {plain:.0%}.", best=best, plain=plain),
        (not_(False, say("Packing in order leaves about {share:.0%} empty.", share=1 - plain)),),
    )


@rule("data.src_length", "src_length", "PaddleNLP 3.0.0b4 llm/utils/data.py: prompts are cut to src_length")
def src_length(s: Situation) -> Choice:
    """Leave room for the answer even when a prompt is too long."""
    length = s.whole("max_length")
    if s.wishes.stage == "embedding":
        return Choice(
            length,
            say("A query may be as long as a passage: {length:,} tokens.", length=length),
            (not_(length // 2, say("Longer queries would be cut.")),),
        )
    if s.data.lengths.max <= length:
        return Choice(
            length - 8,
            say(
                "Every row fits into {length:,} tokens, so no prompt needs cutting; 8 are kept for the "
                "answer.",
                length=length,
            ),
            (not_(length, say("A prompt that long would leave no token to learn from.")),),
        )
    answer = max(8, round(s.data.lengths.answer_total / s.data.train_rows))
    value = max(8, (length - min(answer, length // 2)) // 8 * 8)
    return Choice(
        value,
        say(
            "Rows have up to {longest} tokens: a prompt is cut to {value:,}, so that {rest} of {length:,} "
            "stay for "
            "the answer, which has {answer} on average.",
            longest=count(s.data.lengths.max),
            value=value,
            rest=length - value,
            length=length,
            answer=answer,
        ),
        (not_(length, say("A prompt that long would leave no token to learn from.")),),
    )


@rule("data.seed", "seed", "PaddleNLP 3.0.0b4 default")
def seed(s: Situation) -> Choice:
    """One seed for split, order, initialisation and dropout."""
    return Choice(
        42,
        say(
            "Fixed, so that the same {rows} give the same run; any number will do.",
            rows=plural(s.data.train_rows, "row"),
        ),
    )


EARLY_RULES = (max_length, zero_padding, greedy, src_length, seed)
"""Before the search; they may ask it whether a length fits."""

LATE_RULES = ()
