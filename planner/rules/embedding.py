"""How an embedding model learns: against how many wrong passages, and how sharply."""

from __future__ import annotations

from planner.language import say
from planner.rules.rule import Choice, not_, rule
from planner.situation import Situation

GROUP = 8
"""Passages of one query: its own and seven wrong ones (PaddleNLP 3.0.0b4, llm/utils/argument.py:53)."""

TEMPERATURE = 0.02
"""Upstream's default (PaddleNLP 3.0.0b4, llm/utils/argument.py:79)."""


@rule("embedding.group_size", "group_size", "PaddleNLP 3.0.0b4 llm/utils/argument.py:53")
def group_size(s: Situation) -> Choice:
    """Its own passage and up to seven wrong ones of the row; those of the other queries come on top."""
    return Choice(
        GROUP,
        say(
            "Beside each query stand its own passage and up to {number} wrong ones of its row; those of the "
            "step's other queries count as wrong, too.",
            number=GROUP - 1,
        ),
        (
            not_(4, say("Takes about half the memory and time of a row, and learns from fewer hard cases.")),
            not_(16, say("Takes about twice the memory and time; worth it where rows have so many.")),
        ),
    )


@rule(
    "embedding.temperature",
    "embedding_temperature",
    "PaddleNLP 3.0.0b4 llm/utils/argument.py:79; arXiv:2104.08821; arXiv:2212.03533",
)
def temperature(s: Situation) -> Choice:
    """Upstream's own, between those of two well-known papers."""
    return Choice(
        TEMPERATURE,
        say("Upstream's own value: the wrong passages that are nearest count most."),
        (
            not_(0.05, say("Softer, as in SimCSE: for rows in which passages called wrong may be right.")),
            not_(0.01, say("Sharper, as in E5: for clean rows and many queries in a step.")),
        ),
    )


RULES = (group_size, temperature)
"""They depend on nothing that is decided."""
