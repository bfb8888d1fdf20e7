"""Every rule, in the order in which they run: a rule may read what those before it decided."""

from __future__ import annotations

from planner.rules import batch, checkpoints, data, method, optimisation, parallel, precision, worker
from planner.rules.rule import Choice, Rule

RULES: tuple[Rule, ...] = (
    method.engine,
    method.engine_build,
    *precision.RULES,
    method.lora_rank,
    method.lora_alpha,
    method.lora_dropout,
    method.lora_targets,
    *data.RULES,
    method.method,
    *parallel.RULES,
    *precision.LATE_RULES,
    *worker.RULES,
    *batch.RULES,
    *optimisation.RULES,
    *checkpoints.RULES,
    *worker.LATE_RULES,
)

__all__ = ["RULES", "Choice", "Rule"]
