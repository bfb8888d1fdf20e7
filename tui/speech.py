"""Which language the command line speaks: `--lang`, else the locale."""

from __future__ import annotations

import os

import click

from planner.language import LANGUAGES, of_locale, use


def from_environment() -> str:
    """Return the language that LC_ALL, LC_MESSAGES or LANG asks for."""
    return of_locale(os.environ)


def language_option() -> click.Option:
    """Return `--lang`, which holds for everything that the command says."""
    return click.Option(
        ["--lang"],
        type=click.Choice(list(LANGUAGES)),
        is_eager=True,
        expose_value=False,
        callback=lambda context, option, value: use(value) if value else None,
        help="Language of what is said [by locale].",
    )
