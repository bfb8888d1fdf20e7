"""The keys of the data screen."""

from __future__ import annotations

from textual.binding import Binding

from planner.language import template
from tui.app.keys import Key

DATA_KEYS: tuple[Binding, ...] = (
    Key("n", "row(1)", template("Next row"), id="data.next", tooltip=template("Show the next row.")),
    Key("p", "row(-1)", template("Row before"), id="data.before", tooltip=template("Show the row before.")),
    Key(
        "b",
        "borders",
        template("Tokens"),
        id="data.borders",
        tooltip=template("Show or hide the borders of tokens."),
    ),
    Key(
        "f",
        "findings",
        template("Findings"),
        id="data.findings",
        tooltip=template("Go to what is wrong with rows."),
    ),
    Key(
        "down,j",
        "step(1)",
        template("Down"),
        id="data.down",
        tooltip=template("Scroll down, or go to the next part."),
        show=False,
    ),
    Key(
        "up,k",
        "step(-1)",
        template("Up"),
        id="data.up",
        tooltip=template("Scroll up, or go to the part before."),
        show=False,
    ),
    Key(
        "pagedown",
        "turn(1)",
        template("Page down"),
        id="data.page-down",
        tooltip=template("Turn a page."),
        show=False,
    ),
    Key(
        "pageup",
        "turn(-1)",
        template("Page up"),
        id="data.page-up",
        tooltip=template("Turn a page back."),
        show=False,
    ),
    Key(
        "home",
        "edge(-1)",
        template("Beginning"),
        id="data.home",
        tooltip=template("Go to the beginning."),
        show=False,
    ),
    Key(
        "end",
        "edge(1)",
        template("End"),
        id="data.end",
        tooltip=template("Go to the end."),
        show=False,
    ),
    Key(
        "y",
        "copy",
        template("Copy"),
        id="data.copy",
        tooltip=template("Copy the text of the row."),
        show=False,
    ),
    Key(
        "c",
        "copy_details",
        template("Copy details"),
        id="data.details",
        tooltip=template("Copy everything that is known about the refusal."),
        show=False,
    ),
    Key("escape", "back", template("Back"), id="data.back", tooltip=template("Leave the data.")),
)
"""Those with `show=False` work, and stand in the help only."""
