"""/what-if CHANGE: the plan beside the one that another machine, wish or setting would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner.language import template
from tui.app.slash.command import SlashCommand, argument_of, conversation, plan_at_hand

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp
    from tui.app.blocks.difference import OtherPlan
    from tui.app.what_if_text import Change
    from tui.app.work import Reporter

GOALS = ("quality", "balance", "speed", "memory")
EXAMPLE = "goal speed"


def act(app: SteersmanApp, argument: str) -> None:
    """Plan again with the change, in the background, and show the difference."""
    text = argument_of(argument, "what-if", EXAMPLE)
    plan, change = plan_at_hand(app), changed(text)

    def work(reporter: Reporter) -> OtherPlan:
        from tui.app.blocks.difference import beside
        from tui.app.replanning import changed as replanned

        return beside(text, plan, replanned(plan, change)(reporter))

    screen = conversation(app)
    screen.pursuit.what_if(work)
    screen.draw()


def changed(text: str) -> Change:
    """Return what is different. A goal or a machine may stand alone. Raises `BadInput`."""
    from planner.errors import BadInput
    from planner.hardware_text import parse
    from tui.app.what_if_text import Change, read

    if text in GOALS:
        return read(f"goal {text}")
    try:
        return read(text)
    except BadInput as not_understood:
        try:
            parse(text)
        except BadInput:
            raise not_understood from None
        return Change(hardware=text, wishes={}, pins={})


def candidates(app: SteersmanApp) -> Sequence[str]:
    """Return what the plan's alternatives would change, goals, and machines."""
    plan = app.desk.plan
    others = [
        " ".join(f"{name}={str(value).lower()}" for name, value in one.changes.items())
        for one in (plan.alternatives if plan else ())
    ]
    return (
        *others,
        *(f"goal {goal}" for goal in GOALS),
        "hardware 8x A100-80G",
        "hardware 2x 4090",
        "data 20000 rows of 800 tokens",
    )


COMMAND = SlashCommand(
    help=template("show what a change would bring"),
    hint=template("/what-if 2x 4090, /what-if goal speed, /what-if lora_rank=64"),
    act=act,
    completes=candidates,
    needs_argument=True,
)
