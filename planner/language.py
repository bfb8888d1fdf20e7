"""The language of sentences: every sentence that a person reads is a template with parameters.

The English template is the key of the catalogue (`recipes/locale/<language>.po`); a missing entry falls back
to English. The language holds for the current context, so the app and a command may differ.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import polib

from planner.catalogue import RECIPES

LANGUAGES = {"en": "English", "zh": "简体中文"}
"""Code -> its own name."""

_language: ContextVar[str] = ContextVar("language", default="en")


def say(template: str, /, **parameters: object) -> str:
    """Return the template in the current language with its `{parameters}` filled in."""
    translated = template if _language.get() == "en" else catalogue(_language.get()).gettext(template)
    return translated.format(**parameters) if parameters else translated


def current() -> str:
    """Return the code of the current language."""
    return _language.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Use `language` (a key of LANGUAGES) inside the block."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """Return the translations of a language; empty ones if it has no catalogue."""
    path = RECIPES / "locale" / f"{language}.po"
    if not path.is_file():
        return gettext.NullTranslations()
    return gettext.GNUTranslations(io.BytesIO(polib.pofile(str(path)).to_binary()))
