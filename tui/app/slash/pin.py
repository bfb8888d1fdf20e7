"""/pin NAME: fix a setting at the value that the plan gives it; without a name, list what is fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.language import say, template
from tui.app.slash.command import SlashCommand, conversation, plan_at_hand, setting_names

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp
    from tui.app.dialogue import Dialogue


def act(app: SteersmanApp, argument: str) -> None:
    """Fix settings as they are now."""
    from planner.setting_values import find

    screen = conversation(app)
    dialogue = screen.dialogue
    for name in argument.split():
        value = plan_at_hand(app).value(find(name).name)
        dialogue.step(dialogue.interview.pin(name, value))
    tell_pins(dialogue)
    screen.go_on()


def tell_pins(dialogue: Dialogue) -> None:
    """Say what the person has fixed."""
    from planner.solve import show

    pins = dialogue.interview.request().wishes.pins
    listed = ", ".join(f"{name}={show(value)}" for name, value in pins.items())
    dialogue.tell(
        "note",
        lambda: say("Fixed by you: {pins}.", pins=listed) if listed else say("Nothing is fixed by you."),
    )


COMMAND = SlashCommand(
    help=template("fix a setting at its present value"),
    hint=template("/pin learning_rate; alone it lists what is fixed"),
    act=act,
    completes=setting_names,
)
