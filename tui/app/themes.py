"""The themes: dark, light, high contrast, and the terminal's own sixteen colours.

Screens name colours by meaning (`$primary`, `$warning`, `$text-muted`), never by value; this is the one file
with values.
"""

from __future__ import annotations

from typing import NamedTuple

from textual.theme import Theme

from planner.language import template


class Look(NamedTuple):
    """One theme that a person can choose."""

    theme: str
    """The name under which Textual knows it."""
    meaning: str
    """What it is for, as a template."""


LOOKS = {
    "dark": Look("steersman-dark", template("dark, for most terminals")),
    "light": Look("steersman-light", template("light, for bright rooms")),
    "contrast": Look("steersman-contrast", template("high contrast, black and white with strong colours")),
    "terminal": Look("ansi-dark", template("the terminal's own sixteen colours, on a dark background")),
    "terminal-light": Look(
        "ansi-light", template("the terminal's own sixteen colours, on a light background")
    ),
}
"""What a person types -> the theme."""

THEMES = (
    Theme(
        name="steersman-dark",
        primary="#5eb9c9",
        secondary="#8aa9e6",
        accent="#f2b76b",
        success="#8fcf8a",
        warning="#f2b76b",
        error="#ef7d7d",
        foreground="#d7dee6",
        background="#10161d",
        surface="#161e27",
        panel="#1e2833",
        dark=True,
        variables={
            "footer-background": "#161e27",
            "footer-key-foreground": "#f2b76b",
            "footer-description-foreground": "#9fb0bf",
            "faint": "#8b9cab",
            "border": "#33424f",
            "border-blurred": "#26323d",
            "block-cursor-background": "#2b4653",
            "block-cursor-foreground": "#ffffff",
            "block-cursor-blurred-background": "#1e2833",
            "input-selection-background": "#5eb9c9 35%",
            "scrollbar": "#2b3844",
            "scrollbar-background": "#10161d",
        },
    ),
    Theme(
        name="steersman-light",
        primary="#0b6b7c",
        secondary="#3d5fa8",
        accent="#9a5b00",
        success="#2c7a2c",
        warning="#9a5b00",
        error="#b3261e",
        foreground="#1d2730",
        background="#fbfaf7",
        surface="#f3f1ec",
        panel="#e7e4dc",
        dark=False,
        variables={
            "footer-background": "#e7e4dc",
            "footer-key-foreground": "#9a5b00",
            "footer-description-foreground": "#41505c",
            "faint": "#5a6873",
            "border": "#b9b4a6",
            "border-blurred": "#d5d1c5",
            "block-cursor-background": "#cfe6ea",
            "block-cursor-foreground": "#0d1a20",
            "block-cursor-blurred-background": "#e7e4dc",
            "input-selection-background": "#0b6b7c 25%",
            "scrollbar": "#c9c4b6",
            "scrollbar-background": "#fbfaf7",
        },
    ),
    Theme(
        name="steersman-contrast",
        primary="#00e5ff",
        secondary="#9ecbff",
        accent="#ffe000",
        success="#00ff66",
        warning="#ffe000",
        error="#ff6b6b",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#1a1a1a",
        dark=True,
        text_alpha=1.0,
        variables={
            "text-muted": "#e0e0e0",
            "text-disabled": "#c0c0c0",
            "footer-background": "#000000",
            "footer-key-foreground": "#ffe000",
            "footer-description-foreground": "#ffffff",
            "faint": "#d0d0d0",
            "border": "#ffffff",
            "border-blurred": "#bdbdbd",
            "block-cursor-background": "#ffe000",
            "block-cursor-foreground": "#000000",
            "block-cursor-blurred-background": "#3a3a3a",
        },
    ),
)
"""Text and background of each are at least 7:1 apart (WCAG 2.2, 1.4.6), dimmed text at least 4.5:1."""


OWN_VARIABLES = {"faint": "ansi_bright_black"}
"""Colours that only we name, as they are in themes that do not: `faint` is for what may be overlooked."""


def first_look(color_system: str | None, remembered: str | None) -> str:
    """Return the look to start with: the remembered one, else what the terminal can show.

    `color_system` is Rich's word: a terminal of sixteen colours (`standard`) would round our colours to
    something unreadable, so it gets its own.
    """
    if remembered in LOOKS:
        return str(remembered)
    return "terminal" if color_system == "standard" else "dark"
