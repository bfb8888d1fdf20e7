"""The stages of a plan: what every run does, and what the target of this one needs besides."""

from __future__ import annotations

from planner.plan import STAGES, StageName
from planner.situation import Situation


def stages_of(s: Situation) -> tuple[StageName, ...]:
    """Return the stages in order; a static graph is exported once the merged model has answered."""
    if s.word("export") != "paddle_static" or s.wishes.stage == "export":
        return STAGES
    end = STAGES.index("generate") + 1
    return (*STAGES[:end], "export", *STAGES[end:])
