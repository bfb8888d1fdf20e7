"""What stage `generate` asks after learning preferences, and what stage `merge` proves of a reward model."""

from __future__ import annotations

from typing import Any

from planner.plan import Plan
from planner.unused import PREFERENCE_STAGES

MERGE_PROOFS = {"reward": ("merge.scores",)}
"""Stage of the plan -> proofs of stage `merge`, where they are not those of a language model."""


def weighs(plan: Plan) -> bool:
    """Return whether held-out answers are weighed at the end of a run of this plan."""
    return plan.wishes.stage in (*PREFERENCE_STAGES, "reward")


def weighing(plan: Plan, data: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the part of the specification that weighs held-out answers, and the proof that it gives.

    `data` is the folder of the prepared data.
    """
    spec = {
        "data": data,
        "plan_stage": plan.wishes.stage,
        "max_length": plan.value("max_length"),
        "src_length": plan.value("src_length"),
        "seed": plan.value("seed"),
    }
    if plan.wishes.stage == "reward":
        return spec, ("generate.scores",)
    return spec, ("generate.preferences",) if plan.facts.data.dev_rows else ()
