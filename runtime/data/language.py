"""The main language of a data set, from a sample of its rows."""

from __future__ import annotations

from collections import Counter

SAMPLED_ROWS = 64
"""Rows that are judged: enough to tell the main language, few enough to take no time."""

SAMPLED_CHARACTERS = 400

MAJORITY = 0.5
"""Share of the sample that a language must have to be called the main one."""


def main_language(texts: list[str]) -> str | None:
    """Return the ISO 639-1 code of the language of most texts, such as en or zh; None when none prevails."""
    import py3langid  # loads its tables: about a second, so only when it is asked for

    votes = Counter(py3langid.classify(text[:SAMPLED_CHARACTERS])[0] for text in texts if text.strip())
    if not votes:
        return None
    language, number = votes.most_common(1)[0]
    return str(language) if number > MAJORITY * votes.total() else None
