"""The language of sentences: every sentence that a person reads is a template with parameters.

The English template is the key of the catalogue (`recipes/locale/<language>.po`); a missing entry falls back
to English. The language holds for the current context, so the app and a command may differ. `make messages`
collects the templates from the code.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from planner.remembered import Sentence, remember

LOCALE = Path(__file__).resolve().parent.parent / "recipes" / "locale"
"""Folder of the catalogues."""

LANGUAGES = {"en": "English", "zh": "简体中文"}
"""Code -> its own name."""

LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Environment variables that name the language of messages; the first that is set counts (POSIX, 8.2)."""

JOINED = ""
"""Template of what `join` made: its parameters are the sentences, in their order."""

_language: ContextVar[str | None] = ContextVar("language", default=None)
_everywhere = "en"


def say(template: str, /, **parameters: object) -> str:
    """Return the template in the current language with its `{parameters}` filled in."""
    language = current()
    translated = template if language == "en" else catalogue(language).gettext(template)
    said = translated.format(**parameters) if parameters else translated
    remember(said, template, parameters)
    return said


def again(sentence: Sentence) -> str:
    """Say a remembered sentence in the current language."""
    filled = {
        name: again(value) if isinstance(value, Sentence) else value
        for name, value in sentence.parameters.items()
    }
    if sentence.template == JOINED:
        return join(str(part) for part in filled.values())
    return say(sentence.template, **filled)


def template(text: str, /) -> str:
    """Return `text` as it is: marks a sentence of a table for the catalogue, to be said later."""
    return text


def join(sentences: Iterable[str]) -> str:
    """Return sentences as one line; between Chinese sentences there is no blank."""
    parts, line = tuple(filter(None, sentences)), ""
    for sentence in parts:
        line += (" " if line and not line.endswith(("。", "：", "；", "？", "！")) else "") + sentence
    if len(parts) > 1:
        remember(line, JOINED, {str(number): part for number, part in enumerate(parts)})
    return line


def current() -> str:
    """Return the code of the current language."""
    return _language.get() or _everywhere


def use_everywhere(language: str) -> None:
    """Speak `language` in every context that has not chosen its own: an app's tasks and threads have many."""
    global _everywhere
    _everywhere = language
    _language.set(None)


def use(language: str) -> None:
    """Speak `language` (a key of LANGUAGES) from now on, until an enclosing `speaking` ends."""
    _language.set(language)


def of_locale(environment: Mapping[str, str]) -> str:
    """Return the language that a process's environment asks for; English for any other than ours."""
    name = next((environment[variable] for variable in LOCALE_VARIABLES if environment.get(variable)), "")
    code = name.lower().replace("-", "_").split("_")[0].split(".")[0]
    return code if code in LANGUAGES else "en"


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
    path = LOCALE / f"{language}.po"
    if not path.is_file():
        return gettext.NullTranslations()
    import polib  # here, because English needs none of it

    return gettext.GNUTranslations(io.BytesIO(polib.pofile(str(path)).to_binary()))
