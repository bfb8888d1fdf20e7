"""The search: every feasible way of sharing the work, predicted at once, and the best of them."""

from __future__ import annotations

from planner.budget import TARGET_STEPS
from planner.search.base import HEADROOM, memory_limit, setup_for
from planner.search.demand import wanted_rows, wanted_sequences
from planner.search.kinds import FULL_ROWS
from planner.search.naming import differing, words
from planner.search.outcome import fits, outcome
from planner.search.ranking import Candidate, Outcome

__all__ = [
    "FULL_ROWS",
    "HEADROOM",
    "TARGET_STEPS",
    "Candidate",
    "Outcome",
    "differing",
    "fits",
    "memory_limit",
    "outcome",
    "setup_for",
    "wanted_rows",
    "wanted_sequences",
    "words",
]
