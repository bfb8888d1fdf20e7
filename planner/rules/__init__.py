"""Every rule, in the order in which they run: a rule may read what those before it decided."""

from __future__ import annotations

from planner.rules import (
    after,
    batch,
    checkpoints,
    data,
    embedding,
    formers,
    kernels,
    looks,
    method,
    optimisation,
    parallel,
    precision,
    preference,
    safety,
    worker,
)
from planner.rules.rule import Choice, Rule

BEFORE_SEARCH: tuple[Rule, ...] = (
    *method.EARLY_RULES,
    *precision.RULES,
    *kernels.EARLY_RULES,
    *preference.RULES,
    *data.RULES,
    *embedding.RULES,
)
"""What the search starts from."""

AFTER_SEARCH: tuple[Rule, ...] = (
    *method.LATE_RULES,
    *parallel.RULES,
    *kernels.LATE_RULES,
    *worker.EARLY_RULES,
    *batch.RULES,
    *optimisation.RULES,
    *checkpoints.RULES,
    *looks.RULES,
    *formers.RULES,
    *worker.LATE_RULES,
    *safety.RULES,
    *after.RULES,
)
"""What explains the search's answer, and what follows from it."""

RULES = (*BEFORE_SEARCH, *AFTER_SEARCH)

__all__ = ["AFTER_SEARCH", "BEFORE_SEARCH", "RULES", "Choice", "Rule"]
