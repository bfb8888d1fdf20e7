"""The data: a file or folder, a bundled set, or the size of data that is elsewhere."""

from __future__ import annotations

import re
from functools import cache

from planner import data_text
from planner.catalogue import RECIPES
from planner.did_you_mean import hint
from planner.errors import BadInput
from planner.facts import DataFacts
from planner.interview.question import Answer, Choice, Known, Question
from planner.interview.reading import exactly, plain
from planner.language import join, say, template

DEMO = "steersman-demo"
TO_TRY = template("It comes with Steersman, so that you can try everything.")
MOST_FILES = 6
"""Files near the person that are offered by letter."""

NUMBER = r"(\d[\d,]*(?:\.\d+)?)\s*(k|m|thousand|million|千|万|百万)?"
FACTORS = {"": 1, "k": 1000, "thousand": 1000, "m": 10**6, "million": 10**6, "千": 1000, "万": 10**4,
           "百万": 10**6}  # fmt: skip
ROWS = re.compile(
    rf"{NUMBER}\s*(?:rows?|examples?|samples?|conversations?|records?|chats?|lines?|行|条|个样本|组)"
)
TOKENS = re.compile(
    r"(\d+(?:\.\d+)?k?)(?:\s*(?::|to|up to|longest|max|最长|到)\s*(\d+(?:\.\d+)?k?))?\s*"
    r"(?:tokens?|词元|个词元)"
)
MENTION = r"(?a:(?<![\w./\\~-]){}(?![\w/\\-]|\.\w))"
"""A file named inside a sentence: not the end of a longer path, which is a file elsewhere."""
HAN_NUMBER = re.compile(r"[一两二三四五六七八九十](?=\s*(?:千|万|百万|条|行|组))")
HAN_DIGITS = dict(zip("一两二三四五六七八九十", (1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10), strict=True))
USUAL_TOKENS = "350:2048"
"""Tokens of a row where a person names only rows: an assumption, which is said."""


@cache
def bundled() -> tuple[str, ...]:
    """Return the names of the data sets that come with Steersman."""
    folder = RECIPES / "data"
    return tuple(
        sorted(path.name for path in folder.iterdir() if path.is_dir() and any(path.glob("train.*")))
    )


def described(text: str, stage: str) -> DataFacts | None:
    """Return the facts of data that is described by its size; None where the text is a name."""
    read = description(text)
    return None if read is None else data_text.parse(read[0], read[1], stage)


def description(text: str) -> tuple[int, str] | None:
    """Return rows and `mean:longest` tokens of `50000 rows of 350:2048 tokens`; None for anything else."""
    line = HAN_NUMBER.sub(lambda found: str(HAN_DIGITS[found[0]]), plain(text))
    rows = ROWS.search(line)
    if rows is None:
        return None
    tokens = TOKENS.search(line[: rows.start()] + " " + line[rows.end() :])
    count = int(float(rows[1].replace(",", "")) * FACTORS[rows[2] or ""])
    words = USUAL_TOKENS if tokens is None else tokens[1] + (f":{tokens[2]}" if tokens[2] else "")
    return count, words


def default(known: Known) -> Answer:
    """Return the first data file near the person, else the bundled set."""
    if known.files:
        return Answer(known.files[0], known.files[0], "default", say("It is the data that I found here."))
    return Answer(DEMO, DEMO, "default", say(TO_TRY))


def choices(known: Known) -> tuple[Choice, ...]:
    """Return data files near the person, and the bundled sets."""
    files = (Choice(name, name, say("found here")) for name in known.files[:MOST_FILES])
    return (*files, *(Choice(name, name, say("comes with Steersman")) for name in bundled()))


def read(text: str, known: Known) -> Answer:
    """Return the named or described data; raises `BadInput` for a line that can be neither.

    Whether a file exists, and what is in it, is found out later.
    """
    name = text.strip().strip("'\"`")
    if exactly(name, "data"):
        return Answer(DEMO, DEMO, "typed", say(TO_TRY))
    if name in known.files or name in bundled():
        return Answer(name, name, "typed")
    sized = description(name)
    if sized is not None:
        return _sized(*sized, assumed=TOKENS.search(plain(name)) is None)
    mentioned = next((file for file in known.files if re.search(MENTION.format(re.escape(file)), name)), None)
    if mentioned is not None:
        return Answer(mentioned, mentioned, "typed")
    if not re.search(r"[/\\.~]", name) and (re.search(r"\s", name) or not name.isascii() or len(name) < 2):
        known_names = (*known.files, *bundled())
        raise BadInput(
            say("`{text}` is no path and no data set.", text=name),
            remedy=join((hint(name, known_names), say(EXAMPLE_SENTENCE))),
        )
    return Answer(name, name, "typed")


def _sized(rows: int, tokens: str, *, assumed: bool) -> Answer:
    if rows < 2:
        raise BadInput(say("At least two rows are needed: one to train on, one to hold out."))
    data_text.read_tokens(tokens)
    value = f"{rows} rows of {tokens} tokens"
    shown = say("{rows:,} rows elsewhere", rows=rows)
    because = say("I assume {tokens} tokens a row (mean:longest).", tokens=tokens) if assumed else ""
    return Answer(value, shown, "typed", because)


EXAMPLE_SENTENCE = template(
    "Name a file or folder, or say how much there is elsewhere: 50000 rows of 350:2048 tokens."
)

QUESTION = Question(
    key="data",
    title=template("Data"),
    text=lambda known: say("What should it learn from?"),
    why=lambda known: say(
        "The examples decide what it learns; their number and length decide how long it takes."
    ),
    default=default,
    choices=choices,
    read=read,
    free_text=template("chats.jsonl, or a folder, or 50000 rows of 350:2048 tokens for data elsewhere"),
    completes="path",
)
