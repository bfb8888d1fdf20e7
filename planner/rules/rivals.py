"""How the ways that the search rejected compare with the one that it took."""

from __future__ import annotations

from planner.language import say
from planner.plan import Alternative
from planner.rules.rule import not_
from planner.search import Candidate, Outcome, differing, words

MOST_SHOWN = 2
"""Rejected degrees of one split that are shown."""


def other_degrees(found: Outcome, kind: str) -> list[Candidate]:
    """Return the best way with each other value of a split, the closest value first."""
    here = int(getattr(found.setup, kind))
    rivals = [one for one in found.rejected if one.kind == kind]
    return sorted(rivals, key=lambda one: (abs(int(getattr(one.setup, kind)) - here), one.peak))


def shown(found: Outcome, kind: str) -> tuple[Alternative, ...]:
    """Return the closest other values with the reason why each lost."""
    return tuple(
        not_(int(getattr(one.setup, kind)), one.reason) for one in other_degrees(found, kind)[:MOST_SHOWN]
    )


def fastest(found: Outcome, fewer: list[Candidate], goal: str) -> str:
    """Return how ways with fewer splits compare; those that are faster have a last resort, or are nearly as
    fast."""
    if goal == "memory":
        return say("It needs the least memory, which you favour.")
    faster = [one for one in fewer if one.fits and one.tokens_per_second > found.tokens_per_second]
    if not faster:
        return say("It is the fastest way that fits.")
    best = max(faster, key=lambda one: one.tokens_per_second)
    return say(
        "The best way with fewer splits ({way}) is {share:.0%} faster, too little for what it brings along.",
        way=words(differing(best.setup, found.setup)),
        share=best.tokens_per_second / found.tokens_per_second - 1,
    )


def slower(found: Outcome, rival: Candidate) -> str:
    """Return how much slower another way is than the chosen one, in words."""
    share = found.tokens_per_second / rival.tokens_per_second - 1
    return say("{share:.0%} slower", share=share) if share > 0.02 else say("no faster, and less simple")
