"""How long the longest texts are: asked only where rows are so long that it costs something."""

from __future__ import annotations

import re

from planner.errors import BadInput
from planner.interview.pricing import by_answer
from planner.interview.question import Answer, Choice, Known, Question
from planner.interview.reading import exactly, plain
from planner.language import say, template
from planner.unused import TRAINING_STAGES

LONG_ROW = 4096
"""Tokens from which a row is worth a question: below, every row fits into the default without a thought."""

LEAST = 16
"""Tokens: the least of setting `max_length`."""

OPEN = template("the planner decides")


def asked(known: Known) -> bool:
    """Return whether the rows are long."""
    data = known.data
    trained = (known.value("stage") or "sft") in TRAINING_STAGES
    return trained and data is not None and not data.typed and data.lengths.max > LONG_ROW


def choices(known: Known) -> tuple[Choice, ...]:
    """Return the planner's choice, the longest row, and the length that holds 99 of 100 rows."""
    found = [Choice(None, say(OPEN))]
    if known.data is not None:
        lengths = known.data.lengths
        found.append(Choice(lengths.max, tokens(lengths.max), say("the longest row")))
        if lengths.p99 < lengths.max:
            found.append(Choice(lengths.p99, tokens(lengths.p99), say("99 of 100 rows")))
    return tuple(found)


def tokens(number: int) -> str:
    """Return `4,096 tokens`."""
    return say("{tokens:,} tokens", tokens=number)


def read(text: str, known: Known) -> Answer:
    """Return the length in tokens: `8192`, `8k`, `all`; raises `BadInput`."""
    line = plain(text)
    word = exactly(text, "context_length")
    if word == "open":
        return Answer(None, say(OPEN), "typed")
    if word == "longest" and known.data is not None:
        return Answer(known.data.lengths.max, tokens(known.data.lengths.max), "typed")
    match = re.fullmatch(r"(\d[\d,]*(?:\.\d+)?)\s*(k?)\s*(?:tokens?|词元|个词元)?", line)
    number = 0 if match is None else round(float(match[1].replace(",", "")) * (1024 if match[2] else 1))
    if number < LEAST:
        raise BadInput(
            say("`{text}` is no number of tokens.", text=text.strip()), remedy=say("For example: 8192 or 8k.")
        )
    return Answer(number, tokens(number), "typed")


QUESTION = Question(
    key="context_length",
    title=template("Longest text"),
    text=lambda known: say("How long a text must it have been trained on?"),
    why=lambda known: say(
        "Your longest row has {longest:,} tokens; long rows need much more memory, and longer ones are cut.",
        longest=known.data.lengths.max if known.data is not None else 0,
    ),
    default=lambda known: Answer(
        None, say(OPEN), "default", say("It keeps as much of your rows as fits the machine.")
    ),
    choices=choices,
    read=read,
    when=asked,
    needs=("data", "model", "hardware"),
    price=lambda known: by_answer("context_length", choices(known), known),
    free_text=template("8192, 8k, all"),
)
