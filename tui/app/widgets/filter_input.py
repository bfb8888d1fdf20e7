"""Where words are typed that the decisions shown must hold."""

from __future__ import annotations

from textual.widgets import Input

from planner.language import template


class FilterInput(Input):
    """Words that the decisions shown must hold."""

    HELP = template(
        "Type words that a decision must hold: its name, value, reason or subject. Enter goes there."
    )
