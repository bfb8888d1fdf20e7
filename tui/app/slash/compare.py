"""/compare [FILE]: the plan beside the one before it, or beside a saved one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from planner.errors import BadInput
from planner.language import say, template
from tui.app.slash.command import SlashCommand, conversation, plan_at_hand
from tui.app.slash.open import plan_files

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp
    from tui.app.blocks.difference import OtherPlan
    from tui.app.work import Reporter


def act(app: SteersmanApp, argument: str) -> None:
    """Show what differs."""
    plan, before = plan_at_hand(app), app.desk.before
    if not argument and not before:
        raise BadInput(
            say("There is no earlier plan to compare with."), remedy=say("Name one: /compare other.yaml")
        )

    def work(reporter: Reporter) -> OtherPlan:
        from tui.app.blocks.difference import beside
        from tui.plan_input import in_language, read_plan

        other = in_language(read_plan(app.folder / Path(argument).expanduser())) if argument else before[-1]
        return beside(argument, other, plan)

    screen = conversation(app)
    screen.pursuit.what_if(work)
    screen.draw()


COMMAND = SlashCommand(
    help=template("compare with the plan before"),
    hint=template("/compare, or /compare other.yaml"),
    act=act,
    completes=plan_files,
)
