"""Short turns of the event loop, by changes in Textual's inside: each measured, each at home in one module.

They reach into private names, which is why pyproject.toml allows no newer Textual than they were measured
with. Without them the app is the same, and its turns are as long as Textual makes them.
"""

from __future__ import annotations

from textual.message_pump import MessagePump
from textual.screen import Screen

from tui.app.tuning.breathing import breathe
from tui.app.tuning.drawing import draw_later
from tui.app.tuning.lean_lines import make_lines_lean
from tui.app.tuning.leftovers import let_go


def tune() -> None:
    """Make all of the changes; each is made once, however often they are asked for."""
    breathe(MessagePump)
    draw_later(Screen)
    let_go()
    make_lines_lean()
