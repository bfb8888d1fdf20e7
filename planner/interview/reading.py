"""Free text against tables of words: the longest known phrase in a line wins, in either language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from planner.catalogue import read
from planner.did_you_mean import hint
from planner.errors import BadInput
from planner.language import join, say


def plain(text: str) -> str:
    """Return a line in one form: half-width, lower case, single blanks, without a full stop."""
    line = unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("_", " ")
    return re.sub(r"\s+", " ", line).strip().rstrip(".。!！").strip()


def by_words(text: str, question: str) -> str | None:
    """Return the answer of which a phrase is in the line, the longest phrase first; None if none is.

    The phrases are those of the question in `recipes/words.yaml`.
    """
    line = plain(text)
    return next((answer for phrase, answer in phrases(question) if _within(phrase, line)), None)


def exactly(text: str, question: str) -> str | None:
    """Return the answer of which a phrase is the whole line; None if none is."""
    line = plain(text)
    return next((answer for phrase, answer in phrases(question) if phrase == line), None)


@cache
def phrases(question: str) -> tuple[tuple[str, str], ...]:
    """Return (phrase, answer) of a question, the longest phrase first."""
    table = read("words")[question]
    pairs = [(str(phrase), str(answer)) for answer, words in table.items() for phrase in words]
    return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))


def not_understood(text: str, known: Iterable[str]) -> BadInput:
    """Return the refusal of a line, with what could be meant."""
    words = list(known)
    return BadInput(
        say("`{text}` is no answer here.", text=text.strip()),
        remedy=join((hint(text, words), say("Type one of {words}, or a letter.", words=", ".join(words)))),
    )


def _within(word: str, line: str) -> bool:
    if not word.isascii():
        return word in line
    return re.search(rf"(?a:(?<![a-z0-9]){re.escape(word)}(?![a-z0-9]))", line) is not None
