"""Sequences too long for one process: split by ring attention, or by heads."""

from __future__ import annotations

from planner.families import family
from planner.language import say
from planner.rules.rule import Choice, rule
from planner.search import outcome
from planner.search.axes import LONG_SEQUENCE
from planner.situation import Situation


def context_choice(s: Situation, setting: str) -> Choice:
    """Decide one of the two ways to split a sequence; ring attention is preferred where both exist."""
    found, split = family(s.word("engine"), s.model.model_type), int(outcome(s).setup.context)
    ring = found is not None and found.context_parallel
    own = (setting == "context_parallel_degree") == ring
    other = "sep_parallel_degree" if setting == "context_parallel_degree" else "context_parallel_degree"
    fixed = s.pinned_whole(other)
    if fixed is not None:
        own = fixed == 1
    if split > 1 and own:
        length = s.whole("max_length")
        return Choice(
            split,
            say("{split} processes share each sequence of {length:,} tokens.", split=split, length=length),
        )
    if split > 1:
        return Choice(1, say("Sequences are split the other way, by {setting}.", setting=other))
    return Choice(1, whole_sequences(s))


def whole_sequences(s: Situation) -> str:
    """Return why no sequence is split over processes."""
    length = s.whole("max_length")
    if length < LONG_SEQUENCE:
        return say(
            "Sequences of {length:,} tokens fit on one process; splitting is for pretraining with more than "
            "{long:,}.",
            length=length,
            long=LONG_SEQUENCE,
        )
    if s.wishes.stage != "pretrain":
        return say(
            "The engine splits sequences in pretraining only; here tensor parallelism and recomputation make "
            "room for {length:,} tokens.",
            length=length,
        )
    return say("Sequences of {length:,} tokens fit on one process, and whole ones are faster.", length=length)


@rule("parallel.context", "context_parallel_degree", "ring attention: arXiv:2310.01889; run_pretrain.py:443")
def context(s: Situation) -> Choice:
    """Only for sequences too long for one process."""
    return context_choice(s, "context_parallel_degree")


@rule("parallel.sep", "sep_parallel_degree", "Ulysses: arXiv:2309.14509; training_args.py:1152")
def sep(s: Situation) -> Choice:
    """The same by heads, where the engine has no ring attention."""
    return context_choice(s, "sep_parallel_degree")


RULES = (context, sep)
