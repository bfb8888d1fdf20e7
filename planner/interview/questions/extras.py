"""What is never asked by itself, and can be said any time: a price per hour, own test prompts."""

from __future__ import annotations

import re

from planner.errors import BadInput
from planner.interview.question import Answer, Choice, Known, Question
from planner.interview.reading import exactly, plain
from planner.language import say, template

FREE = template("costs nothing")
DEV_ROWS = template("held-out rows of the data")


def read_price(text: str, known: Known) -> Answer:
    """Return money for one device and hour; raises `BadInput`."""
    line = plain(text)
    if exactly(text, "price"):
        return Answer(None, say(FREE), "typed")
    match = re.search(r"\d+(?:\.\d+)?", line)
    if match is None or float(match[0]) <= 0:
        raise BadInput(say("`{text}` is no price.", text=text.strip()), remedy=say("For example: 2.50."))
    money = float(match[0])
    return Answer(money, say("{money:g} per device and hour", money=money), "typed")


def read_prompts(text: str, known: Known) -> Answer:
    """Return the path of a file of prompts."""
    path = text.strip().strip("'\"`")
    if exactly(path, "test_prompts"):
        return Answer(None, say(DEV_ROWS), "typed")
    return Answer(path, path, "typed")


PRICE = Question(
    key="price",
    title=template("Price"),
    text=lambda known: say("What does one device cost per hour?"),
    why=lambda known: say("With it, plans also say what they cost."),
    default=lambda known: Answer(None, say(FREE), "default", say("I cannot know it.")),
    choices=lambda known: (Choice(None, say(FREE)),),
    read=read_price,
    when=lambda known: False,
    free_text=template("2.50"),
)

TEST_PROMPTS = Question(
    key="test_prompts",
    title=template("Test prompts"),
    text=lambda known: say("Which prompts shall be answered before and after training?"),
    why=lambda known: say("At the end you see both answers side by side."),
    default=lambda known: Answer(
        None, say(DEV_ROWS), "default", say("They are of the kind that it learns, and never trained on.")
    ),
    choices=lambda known: (Choice(None, say(DEV_ROWS)),),
    read=read_prompts,
    when=lambda known: False,
    free_text=template("prompts.txt"),
    completes="path",
)

QUESTIONS = (PRICE, TEST_PROMPTS)
