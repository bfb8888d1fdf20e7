"""The one place that guesses which name a person meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from planner.language import say

SIMILAR, SURE = 0.6, 0.8
"""Least likeness of a guess, from 0 to 1 (difflib's ratio), for names that begin with the same letter and for
others: half-remembered names of ten letters have the first, and mostly begin right."""


def closest(name: str, known: Iterable[str], least: float = SIMILAR) -> str | None:
    """Return the known name most like `name`, ignoring case and treating `-` and space as `_`; None if none
    is."""
    by_key = {_key(candidate): candidate for candidate in sorted(known)}
    near = difflib.get_close_matches(_key(name), by_key, n=9, cutoff=least)
    for match in near:
        if match[:1] == _key(name)[:1] or difflib.SequenceMatcher(None, match, _key(name)).ratio() >= SURE:
            return by_key[match]
    return None


def hint(name: str, known: Iterable[str]) -> str:
    """Return ``Did you mean `x`?`` or an empty string."""
    match = closest(name, known)
    return say("Did you mean `{match}`?", match=match) if match else ""


def _key(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")
