"""The one place that guesses which name a person meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from planner.language import say

SIMILAR = 0.6
"""Least likeness of a guess, from 0 to 1 (difflib's ratio); half-remembered names of ten letters have it."""


def closest(name: str, known: Iterable[str], least: float = SIMILAR) -> str | None:
    """Return the known name most like `name`, ignoring case and treating `-` and space as `_`; None if none
    is."""
    by_key = {_key(candidate): candidate for candidate in sorted(known)}
    matches = difflib.get_close_matches(_key(name), by_key, n=1, cutoff=least)
    return by_key[matches[0]] if matches else None


def hint(name: str, known: Iterable[str]) -> str:
    """Return ``Did you mean `x`?`` or an empty string."""
    match = closest(name, known)
    return say("Did you mean `{match}`?", match=match) if match else ""


def _key(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")
