"""Sentences that can be said again in another language: what was said last, with what it was made from.

An error is a few sentences that were said, and perhaps joined, just before it was raised. Where it stays on
the screen while the person changes the language, it is said again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

MOST_REMEMBERED = 64
"""Sentences of each thread: an error takes fewer, with the phrases that are filled into them."""


class Sentence(NamedTuple):
    """What was said, and how to say it again."""

    text: str
    template: str
    parameters: Mapping[str, object]


class _Recent(threading.local):
    def __init__(self) -> None:
        self.sentences: deque[Sentence] = deque(maxlen=MOST_REMEMBERED)


_recent = _Recent()


def remember(text: str, template: str, parameters: Mapping[str, object]) -> None:
    """Remember for a while what was said in this thread; of an exception only its words."""
    if any(isinstance(value, BaseException) for value in parameters.values()):
        parameters = {
            name: str(value) if isinstance(value, BaseException) else value
            for name, value in parameters.items()
        }
    _recent.sentences.append(Sentence(text, template, parameters))


def recall(text: str) -> Sentence | None:
    """Return how a text that was said in this thread a moment ago came about, also of phrases within it."""
    for sentence in reversed(_recent.sentences):
        if sentence.text == text:
            parameters = {
                name: recall(value) or value if isinstance(value, str) and value != text else value
                for name, value in sentence.parameters.items()
            }
            return sentence._replace(parameters=parameters)
    return None


def recall_all(*texts: str) -> tuple[Sentence, ...]:
    """Return the sentences that texts or their lines are, as far as they are remembered."""
    lines = (line for text in texts if text for line in (text, *text.splitlines()))
    return tuple(found for line in dict.fromkeys(lines) if (found := recall(line)))
