"""The keys of the conversation. Nothing here works by a letter: letters belong to the prompt."""

from __future__ import annotations

from textual.binding import BindingType

from planner.language import template
from tui.app.keys import Key

KEYS: list[BindingType] = [
    Key(
        "escape",
        "leave",
        template("Close"),
        id="conversation.leave",
        tooltip=template("Cancel what is under way, else clear the line, else close; answers are kept."),
    ),
    Key(
        "f2",
        "back",
        template("Back"),
        id="conversation.back",
        tooltip=template("Return to the question before."),
    ),
    Key(
        "f3",
        "why",
        template("Why?"),
        id="conversation.why",
        tooltip=template("Say why this is asked."),
    ),
    Key(
        "f4",
        "unsure",
        template("Not sure"),
        id="conversation.unsure",
        tooltip=template("Let me decide, and say why."),
    ),
    Key(
        "f5",
        "plan",
        template("Plan"),
        id="conversation.plan",
        tooltip=template("Show the plan so far; where it is beside the questions already, all of it."),
    ),
    Key(
        "pageup",
        "scroll_talk(-1)",
        template("Scroll up"),
        id="conversation.up",
        tooltip=template("Scroll what was said."),
        show=False,
        priority=True,
    ),
    Key(
        "pagedown",
        "scroll_talk(1)",
        template("Scroll down"),
        id="conversation.down",
        tooltip=template("Scroll what was said."),
        show=False,
        priority=True,
    ),
]
