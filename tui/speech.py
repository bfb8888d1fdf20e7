"""Which language the command line speaks: `--lang`, else the locale."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from planner.language import LANGUAGES, of_locale, template, use


def from_environment() -> str:
    """Return the language that LC_ALL, LC_MESSAGES or LANG asks for."""
    return of_locale(os.environ)


def from_arguments(arguments: Sequence[str]) -> str | None:
    """Return the language that the last `--lang` of a command line asks for, if it is one of ours."""
    language = None
    for before, word in zip(["", *arguments], arguments, strict=False):
        if word == "--":
            break
        code = word.partition("=")[2] if word.startswith("--lang=") else word
        if code in LANGUAGES and (code != word or before == "--lang"):
            language = code
    return language


def language_option() -> click.Option:
    """Return `--lang`, which holds for everything that the command says."""
    return click.Option(
        ["--lang"],
        type=click.Choice(list(LANGUAGES)),
        is_eager=True,
        expose_value=False,
        callback=lambda context, option, value: use(value) if value else None,
        help=template("Language of what is said [by locale]."),
    )
