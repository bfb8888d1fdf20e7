"""The planner's ladder, as the run engine takes it: which memory ran out in, a smaller plan's text out."""

from __future__ import annotations

from planner.oom_ladder import Memory, next_step
from planner.plan import Plan
from planner.planfile import dumps
from runtime.run.task import Easing

MEMORIES: dict[str, Memory] = {"device": "device", "host": "host", "evaluation": "evaluation"}


def ease(plan: Plan, memory: str) -> Easing | None:
    """Return the next step down; None where there is none."""
    step = next_step(plan, MEMORIES[memory])
    if step is None:
        return None
    return Easing(
        rung=step.rung,
        because=step.because,
        changes=dict(step.changes),
        consent=step.consent,
        keeps_checkpoints=step.keeps_checkpoints,
        plan_text=dumps(step.plan),
    )
