"""The goal: what to favour where quality, time and memory conflict."""

from __future__ import annotations

from planner.interview.pricing import by_answer
from planner.interview.question import Answer, Choice, Known, Question
from planner.interview.reading import by_words, not_understood
from planner.language import say, template

TITLES = {
    "balance": template("balance"),
    "quality": template("best quality"),
    "speed": template("short training"),
    "memory": template("little memory"),
}
BECAUSE = {
    "balance": template("good results in reasonable time"),
    "quality": template("trains every weight where it fits and pays"),
    "speed": template("as fast as the machine can"),
    "memory": template("leaves room for other programs"),
}


def choices(known: Known) -> tuple[Choice, ...]:
    """Return the goals."""
    return tuple(Choice(goal, say(title), say(BECAUSE[goal])) for goal, title in TITLES.items())


def read(text: str, known: Known) -> Answer:
    """Return the goal that is meant; raises `BadInput`."""
    goal = by_words(text, "goal")
    if goal is None:
        raise not_understood(text, TITLES)
    return Answer(goal, say(TITLES[goal]), "typed")


QUESTION = Question(
    key="goal",
    title=template("Goal"),
    text=lambda known: say("What matters most to you?"),
    why=lambda known: say("Quality, time and memory pull in different directions; this settles conflicts."),
    default=lambda known: Answer(
        "balance", say(TITLES["balance"]), "default", say("It is right unless you know better.")
    ),
    choices=choices,
    read=read,
    price=lambda known: by_answer("goal", choices(known), known),
    free_text=template("best quality, as fast as possible, little memory"),
)
