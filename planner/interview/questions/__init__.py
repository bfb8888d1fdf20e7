"""The questions, in the order in which they are asked. One module each, or one for those of a kind."""

from __future__ import annotations

from planner.interview.question import Question
from planner.interview.questions import (
    context_length,
    data,
    extras,
    goal,
    hardware,
    method,
    model,
    stage,
    target,
    time_limit,
)

QUESTIONS: tuple[Question, ...] = (
    hardware.QUESTION,
    model.QUESTION,
    data.QUESTION,
    stage.QUESTION,
    goal.QUESTION,
    method.QUESTION,
    context_length.QUESTION,
    time_limit.QUESTION,
    target.QUESTION,
    *extras.QUESTIONS,
)
"""Hardware first: it is detected, and what can be chosen depends on it."""
