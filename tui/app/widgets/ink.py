"""The theme's colours for rich text: widgets that draw themselves name a meaning, never a colour."""

from __future__ import annotations

from rich.style import Style
from textual.color import Color, ColorParseError
from textual.widget import Widget


def ink(
    widget: Widget,
    meaning: str,
    *,
    on: str = "",
    bold: bool = False,
    dim: bool = False,
    underline: bool = False,
) -> Style:
    """Return the style of a theme variable such as `primary`, `text-warning` or `surface`, as rich knows it.

    `on` names the variable of the background. A variable that is no plain colour gives the widget's own.
    """
    return Style(
        color=_color(widget, meaning),
        bgcolor=_color(widget, on),
        bold=bold or None,
        dim=dim or None,
        underline=underline or None,
    )


_known: dict[tuple[str, str], str | None] = {}
"""Theme and meaning -> colour: Textual works out all variables of a theme whenever one is asked for."""


def _color(widget: Widget, meaning: str) -> str | None:
    if not meaning:
        return None
    key = (widget.app.theme, meaning)
    if key not in _known:
        _known[key] = _of_theme(widget, meaning)
    return _known[key]


def _of_theme(widget: Widget, meaning: str) -> str | None:
    try:
        found = Color.parse(widget.app.theme_variables.get(meaning, ""))
    except ColorParseError:
        return None
    if found.ansi is not None:
        return found.rich_color.name
    if found.a < 1:
        found = Color.parse(widget.app.theme_variables.get("background", "#000000")).blend(found, found.a, 1)
    return found.rich_color.name
