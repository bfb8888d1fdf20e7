"""The language of what a worker says: templates as in `planner.language`, without its libraries.

The supervisor names a compiled catalogue (gettext's `.mo`) in the environment; without one all is English.
"""

from __future__ import annotations

import gettext
import os
from functools import cache
from pathlib import Path

SENTENCES = "STEERSMAN_SENTENCES"
"""Environment variable: path of the compiled catalogue of the run's language."""


def say(template: str, /, **parameters: object) -> str:
    """Return the template in the run's language with its `{parameters}` filled in."""
    translated = catalogue(os.environ.get(SENTENCES, "")).gettext(template)
    return translated.format(**parameters) if parameters else translated


def template(text: str, /) -> str:
    """Return `text` as it is: marks a sentence of a table for the catalogue, to be said later."""
    return text


@cache
def catalogue(path: str) -> gettext.NullTranslations:
    """Return the translations in a file; none where it cannot be read: a sentence must never end a run."""
    if not path:
        return gettext.NullTranslations()
    try:
        with Path(path).open("rb") as file:
            return gettext.GNUTranslations(file)
    except (OSError, ValueError):
        return gettext.NullTranslations()
