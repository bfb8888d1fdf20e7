"""How rows share sequences: packed or not, and how well."""

from __future__ import annotations

from planner.language import say
from planner.methods import methods
from planner.phrases import plural
from planner.rules.max_length import RULES as LENGTHS
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.situation import Situation
from planner.unused import PACKED_STAGES
from planner.workload import fill


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
        return Choice(True, always_packed(stage, length, mean))
    if stage in ("embedding", "quantise", "export"):
        return Choice(False, say("The script of stage {stage} takes one row at a time.", stage=stage))
    if counts_positions(s):
        because = say("{method} counts positions from where a row begins.", method=methods()[wanted(s)].title)
        return Choice(False, because, (not_(True, say("Rows that share a sequence begin anywhere in it.")),))
    rows = length / mean
    if rows < 1.5:
        because = say(
            "Rows of {mean:.0f} tokens on average fill {length:,} tokens already.", mean=mean, length=length
        )
        return Choice(False, because, (not_(True, say("Two rows seldom fit into one sequence.")),))
    because = say(
        "About {rows:.1f} rows of {mean:.0f} tokens share a sequence of {length:,}, kept apart by the "
        "attention mask.",
        rows=rows,
        mean=mean,
        length=length,
    )
    padded = say(
        "Batches would be padded to their longest row; about {share:.0%} of the work on padding.",
        share=max(0, 1 - mean / min(length, s.data.lengths.p90)),
    )
    return Choice(True, because, (not_(False, padded),))


def always_packed(stage: str, length: int, mean: float) -> str:
    """Return how rows of `mean` tokens lie in sequences where the stage's script packs in any case."""
    if length < mean:
        return say(
            "The script of stage {stage} always packs: a text of {mean:,.0f} tokens goes on in the next of "
            "about {pieces:.1f} sequences of {length:,}.",
            stage=stage,
            mean=mean,
            pieces=mean / length,
            length=length,
        )
    return say(
        "The script of stage {stage} always packs rows, about {rows:.1f} of them into {length:,} tokens.",
        stage=stage,
        rows=length / mean,
        length=length,
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


RULES = (*LENGTHS, zero_padding, greedy, seed)
"""Before the search; lengths first, which packing reads."""
