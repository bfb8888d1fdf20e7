"""The machine: detected, and asked only when the person wants to plan for another one."""

from __future__ import annotations

from planner import hardware_text
from planner.interview.question import Answer, Choice, Known, Question
from planner.interview.reading import exactly
from planner.language import say, template

EXAMPLES = ("RTX 4090", "8x A100-80G nvlink", "2 nodes x 8 H800")


def choices(known: Known) -> tuple[Choice, ...]:
    """Return this machine, and machines that can be rented."""
    return (
        Choice(None, say("this machine"), say("what a probe of it finds")),
        *(Choice(text, text, hardware_text.parse(text).description) for text in EXAMPLES),
    )


def default(known: Known) -> Answer:
    """Return this machine: it is looked at, not described."""
    return Answer(None, say("this machine"), "default", say("I can look at it myself."))


def read(text: str, known: Known) -> Answer:
    """Return the described machine; raises `BadInput` with the nearest device name."""
    if exactly(text, "hardware"):
        return Answer(None, say("this machine"), "typed")
    found = hardware_text.parse(text)
    return Answer(text.strip(), found.description, "typed")


QUESTION = Question(
    key="hardware",
    title=template("Machine"),
    text=lambda known: say("Which machine will train?"),
    why=lambda known: say("Its memory decides which models and methods fit, its speed how long it takes."),
    default=default,
    choices=choices,
    read=read,
    when=lambda known: False,
    free_text=template("two 4090s, or 8x A100-80G nvlink, or 2 nodes x 8 H800 ib 400"),
    completes="hardware",
)
