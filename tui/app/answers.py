"""Where a conversation begins: anew, with the answers of another time, or with those behind a plan."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from planner.interview.interview import Interview
from tui.app.dialogue import Dialogue

if TYPE_CHECKING:
    from planner.plan import Plan


def first_dialogue(plan: Plan | None) -> Dialogue:
    """Return the dialogue to begin with."""
    if plan is not None:
        dialogue = Dialogue(of_plan(plan), behind=plan.name)
        dialogue.step(dialogue.interview)
        return dialogue
    saved = saved_interview()
    return Dialogue(Interview(), saved=saved)


def of_plan(plan: Plan) -> Interview:
    """Return an interview in which everything is answered as in a plan."""
    facts, wishes = plan.facts, plan.wishes
    given = {
        "model": facts.model.name if facts.model.source.kind == "wheel" else facts.model.source.id,
        "data": facts.data.path,
        "stage": wishes.stage,
        "goal": wishes.goal,
    }
    if facts.hardware.origin == "typed":
        given["hardware"] = facts.hardware.description
    interview = Interview().found(hardware=facts.hardware)
    interview = interview.given({key: value for key, value in given.items() if value}, "saved")
    interview = interview.found(model=facts.model)
    interview = interview.found(data=facts.data)
    for name, value in wishes.pins.items():
        interview = interview.pin(name, value)
    while interview.current() is not None:
        interview = interview.skip()
    return interview


def saved_interview() -> Interview | None:
    """Return the answers of another time, if any were kept that still mean something."""
    from runtime import saved_answers

    saved = Interview.from_saved(saved_answers.kept())
    return saved if any(answer.provenance == "saved" for _, answer in saved.answered()) else None


def keep_answers(answers: dict[str, Any]) -> None:
    """Keep answers for another time; where the data folder cannot be written, they are lost."""
    from runtime import saved_answers

    with contextlib.suppress(OSError):
        saved_answers.keep(answers)


def forget_answers() -> None:
    """Forget the answers that were kept: they became a plan."""
    from runtime import saved_answers

    with contextlib.suppress(OSError):
        saved_answers.forget()
