"""The language of what a worker says: templates with parameters, as in `planner.language`, without its libraries.

The supervisor names a compiled catalogue (gettext's `.mo`) in the environment; without one everything is English.
"""

from __future__ import annotations

import gettext
import os
from functools import cache

SENTENCES = "STEERSMAN_SENTENCES"
"""Environment variable: path of the compiled catalogue of the run's language."""


def say(template: str, /, **parameters: object) -> str:
    """Return the template in the run's language with its `{parameters}` filled in."""
    translated = catalogue(os.environ.get(SENTENCES, "")).gettext(template)
    return translated.format(**parameters) if parameters else translated


@cache
def catalogue(path: str) -> gettext.NullTranslations:
    """Return the translations in a file; none where it cannot be read, since a sentence must never end a "
    "run."""
    if not path:
        return gettext.NullTranslations()
    try:
        with open(path, "rb") as file:
            return gettext.GNUTranslations(file)
    except (OSError, ValueError, UnicodeDecodeError):
        return gettext.NullTranslations()
