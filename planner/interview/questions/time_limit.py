"""The time limit: how long training may take."""

from __future__ import annotations

import re

from planner.errors import BadInput
from planner.interview.pricing import by_answer
from planner.interview.question import Answer, Choice, Known, Question
from planner.interview.reading import by_words, plain
from planner.language import say, template
from planner.phrases import duration
from planner.unused import TRAINING_STAGES

OFFERED = (30.0, 120.0, 480.0)
"""Minutes: a break, a meeting, a night."""

NONE = template("no limit")


NUMBERS = {
    "an": 1, "a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "sixty": 60,
    "一": 1, "两": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10,
    "十五": 15, "二十": 20, "三十": 30, "四十": 40, "六十": 60, "十二": 12,
}  # fmt: skip
UNITS = {
    "minutes": 1.0, "minute": 1.0, "mins": 1.0, "min": 1.0, "m": 1.0, "分钟": 1.0, "分": 1.0,
    "hours": 60.0, "hour": 60.0, "hrs": 60.0, "hr": 60.0, "h": 60.0, "个小时": 60.0, "小时": 60.0,
    "个钟头": 60.0, "days": 1440.0, "day": 1440.0, "d": 1440.0, "天": 1440.0, "weeks": 10080.0,
    "week": 10080.0, "周": 10080.0,
    "seconds": 1 / 60, "秒": 1 / 60,
}  # fmt: skip
"""Unit -> minutes."""

AMOUNT = re.compile(
    rf"(?<![a-z0-9.])(\d+(?:\.\d+)?|{'|'.join(sorted(NUMBERS, key=len, reverse=True))})\s*"
    rf"({'|'.join(sorted(UNITS, key=len, reverse=True))})(?![a-z0-9])"
)
MOST_MINUTES = 366 * 1440.0


def minutes(text: str) -> float | None:
    """Return minutes of `two hours`, `90 min`, `1h30`, `overnight`, `一个半小时`; 0 for no limit; None for
    anything else. A bare number counts minutes."""
    line = plain(text)
    bare = re.fullmatch(r"\d+(?:\.\d+)?", line)
    if bare is not None:
        return float(line)
    clock = re.fullmatch(r"(\d+)\s*(?:h|:)\s*(\d{1,2})(?:\s*m(?:in)?)?", line)
    if clock is not None:
        return 60.0 * int(clock[1]) + int(clock[2])
    phrase = by_words(text, "time_limit")
    if phrase is not None and (phrase != "0" or not AMOUNT.search(line)):
        return float(phrase)
    amounts = AMOUNT.findall(line)
    if not amounts:
        return None
    return sum(float(NUMBERS.get(number, 0) or number) * UNITS[unit] for number, unit in amounts)


def shown(limit: float) -> str:
    """Return a limit in words."""
    return say("within {time}", time=duration(limit * 60))


def choices(known: Known) -> tuple[Choice, ...]:
    """Return no limit, and three usual ones."""
    return (Choice(None, say(NONE)), *(Choice(limit, shown(limit)) for limit in OFFERED))


def read(text: str, known: Known) -> Answer:
    """Return the limit in minutes; raises `BadInput`."""
    limit = minutes(text)
    if limit is None or limit > MOST_MINUTES:
        raise BadInput(
            say("`{text}` is no time.", text=text.strip()),
            remedy=say("For example: {examples}.", examples=say(QUESTION.free_text)),
        )
    if limit == 0:
        return Answer(None, say(NONE), "typed")
    return Answer(limit, shown(limit), "typed")


def why(known: Known) -> str:
    """Return why it matters, with the forecast once there is one."""
    if known.plan is not None:
        return say(
            "Without a limit it would take about {time}; a limit cuts the number of passes over the data.",
            time=duration(known.plan.forecast.train_seconds),
        )
    return say("Training adapts to it: fewer passes over the data, larger steps.")


QUESTION = Question(
    key="time_limit",
    title=template("Time limit"),
    text=lambda known: say("By when should training end?"),
    why=why,
    default=lambda known: Answer(None, say(NONE), "default", say("It takes as long as it needs.")),
    choices=choices,
    read=read,
    when=lambda known: (known.value("stage") or "sft") in TRAINING_STAGES,
    price=lambda known: by_answer("time_limit", choices(known), known),
    free_text=template("two hours, 90 min, overnight, no limit"),
)
