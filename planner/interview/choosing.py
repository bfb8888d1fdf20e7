"""Which choice a line means, and what taking one answers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from planner.errors import BadInput
from planner.interview.question import Answer, Choice
from planner.language import say

LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""Keys of the choices, in their order."""


CHOOSING = re.compile(r"^(?:(?:option|choice|letter)\s+|(?:我选|选择|选项|选)\s*)")
"""What people write before a letter."""


def by_number(text: str, choices: Sequence[Choice]) -> Choice | None:
    """Return the choice that `2` means; None for anything else. Only where a number is no answer itself."""
    number = text.strip().strip("().#（）")
    if not number.isascii() or not number.isdecimal() or not 1 <= int(number) <= len(choices):
        return None
    return choices[int(number) - 1]


def pick(text: str, choices: Sequence[Choice]) -> Choice | None:
    """Return the choice that a letter, label or value names; None if the line is something else."""
    word = text.strip().casefold()
    letter = CHOOSING.sub("", word).strip("().[]:（）。")
    if len(letter) == 1 and letter in LETTERS:
        index = LETTERS.index(letter)
        if index < len(choices):
            return choices[index]
        raise BadInput(
            say(
                "There is no choice {letter}; the last is {last}.",
                letter=letter,
                last=LETTERS[len(choices) - 1],
            )
            if choices
            else say("There are no choices here; type an answer.")
        )
    for choice in choices:
        if word in (choice.label.casefold(), str(choice.value).casefold()):
            return choice
    return None


def chosen(choice: Choice) -> Answer:
    """Return a choice as an answer; raises `BadInput` with the reason if it cannot be taken."""
    if choice.disabled:
        raise BadInput(
            say("{choice} cannot be chosen: {reason}", choice=choice.label, reason=choice.disabled)
        )
    return Answer(choice.value, choice.label, "typed")


def possible(default: Answer, choices: Sequence[Choice]) -> Answer:
    """Return the default, or the choice that comes nearest before it (else after it) and can be taken."""
    at = next((index for index, choice in enumerate(choices) if choice.value == default.value), None)
    if at is None or not choices[at].disabled:
        return default
    nearest = next((one for one in (*reversed(choices[:at]), *choices[at + 1 :]) if not one.disabled), None)
    if nearest is None:
        return default
    because = say("{choice} cannot be had: {reason}.", choice=default.shown, reason=choices[at].disabled)
    return Answer(nearest.value, nearest.label, "default", because)
