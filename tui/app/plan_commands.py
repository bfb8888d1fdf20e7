"""What slash commands do on the plan screen: they are about the plan that is shown there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from planner.errors import SteersmanError
from planner.setting_values import find, read_pin
from tui.app.application import the_app
from tui.app.messages import Refused
from tui.app.widgets.decision_row import DecisionRow
from tui.app.widgets.decision_tree import DecisionTree
from tui.app.widgets.what_if_pane import WhatIfInput, WhatIfPane

if TYPE_CHECKING:
    from tui.app.screens.plan import PlanScreen


def obey(screen: PlanScreen, line: str) -> None:
    """Do what `name argument` says: here where the screen can, else as everywhere in the app."""
    name, _, argument = line.strip().partition(" ")
    own = OWN.get(name.lower())
    if own is None:
        the_app(screen).slash(f"/{line}")
        return
    try:
        own(screen, argument.strip())
    except SteersmanError as error:
        screen.on_refused(Refused("plan.command", error, error.details))


def what_if(screen: PlanScreen, argument: str) -> None:
    """Put the change into the line of the tab, and answer it."""
    screen.action_tab("what-if")
    screen.query_one(WhatIfInput).value = argument
    if argument:
        screen.ask_what_if(WhatIfPane.Asked(argument))


def fix(screen: PlanScreen, argument: str) -> None:
    """Plan again with `name=value`."""
    setting, value = read_pin(argument)
    screen.again({setting: value})


def pin(screen: PlanScreen, argument: str) -> None:
    """Fix a setting as it is."""
    setting = find(argument, "").name
    screen.again({setting: screen.plan.value(setting)})


def why(screen: PlanScreen, argument: str) -> None:
    """Open a decision."""
    setting = find(argument, "").name

    async def go() -> None:
        tree = screen.query_one(DecisionTree)
        await tree.fill()
        row = tree.query_one(f"#row-{setting}", DecisionRow)
        if not row.opened:
            row.action_open()
        tree.settle()
        row.focus()

    screen.call_later(go)


def undo(screen: PlanScreen, _: str) -> None:
    """Take the last change back."""
    screen.call_later(screen.action_undo)


OWN: dict[str, Callable[[PlanScreen, str], None]] = {
    "what-if": what_if,
    "set": fix,
    "pin": pin,
    "why": why,
    "undo": undo,
    "data": lambda screen, _: screen.action_data(),
    "save": lambda screen, _: screen.action_write("save"),
    "run": lambda screen, _: screen.action_write("run"),
    "plan": lambda screen, _: screen.action_tab("page"),
}
"""Command -> what it does with the plan that is shown."""
