"""Front ends without a screen: they find what an interview misses in a table, and answer by a rule."""

from __future__ import annotations

from collections.abc import Callable

from planner.facts import DataFacts, HardwareFacts
from planner.hardware_text import parse
from planner.interview.interview import Interview
from planner.interview.pricing import priced
from planner.interview.question import Choice
from planner.model_catalogue import models
from tests.planner.scenes import DEMO, amd

MACHINES: dict[str, HardwareFacts] = {
    "laptop": amd(4, 16),
    "24 GB card": parse("4090"),
    "8 A100": parse("8x A100-80G nvlink"),
    "2 nodes of 8 H800": parse("2 nodes x 8 H800 nvlink ib 400"),
}

Pick = Callable[[tuple[Choice, ...]], Choice | None]
"""Takes the choices with figures; None: the default."""


def begun(hardware: HardwareFacts | None = None) -> Interview:
    """Return an interview on a machine that was looked at."""
    return Interview().found(hardware=hardware or MACHINES["laptop"])


def filled(interview: Interview, data: DataFacts = DEMO) -> Interview:
    """Return the interview with everything found that it misses."""
    while missing := interview.missing():
        sought = missing[0]
        if sought.what == "model":
            interview = interview.found(model=models()[str(sought.text)].facts())
        elif sought.what == "data":
            interview = interview.found(data=data.model_copy(update={"path": sought.text}))
        else:
            interview = interview.found(hardware=MACHINES["laptop"])
    return interview


def walked(interview: Interview, pick: Pick = lambda choices: None, data: DataFacts = DEMO) -> Interview:
    """Return the interview with every question answered."""
    interview = filled(interview, data)
    while (question := interview.current()) is not None:
        interview = interview.priced(priced(question, interview.known))
        choice = pick(interview.choices())
        interview = interview.skip() if choice is None else interview.choose(choice)
        interview = filled(interview, data)
    return interview


def answering(interview: Interview, *lines: str) -> Interview:
    """Return the interview after some typed lines."""
    for line in lines:
        interview = filled(filled(interview).answer(line))
    return interview
