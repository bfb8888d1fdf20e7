"""/set NAME=VALUE: fix a setting or give an answer; an empty value leaves it to the planner again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner.errors import BadInput, SteersmanError
from planner.language import say, template
from tui.app.slash.command import SlashCommand, argument_of, conversation
from tui.app.slash.pin import tell_pins

if TYPE_CHECKING:
    from tui.app.application import SteersmanApp


def act(app: SteersmanApp, argument: str) -> None:
    """Fix one setting after the other; the plan is made again around them."""
    text = argument_of(argument, "set", "lora_rank=16")
    screen = conversation(app)
    dialogue = screen.dialogue
    keys = [question.key for question in dialogue.interview.questions]
    before, mode = dialogue.interview, dialogue.mode
    try:
        for name, value in assignments(text):
            if name in keys and value:
                dialogue.give(name, value)
            elif value:
                dialogue.step(dialogue.interview.pin(name, value))
            else:
                dialogue.step(dialogue.interview.unpin(name))
    except SteersmanError:
        dialogue.mode = mode
        dialogue.step(before)  # all of it, or nothing
        raise
    if dialogue.interview.request().wishes.pins != before.request().wishes.pins:
        tell_pins(dialogue)
    screen.go_on()


def assignments(text: str) -> list[tuple[str, str]]:
    """Return (name, value) of `a=1 b=two words`, and of `a 1`. Raises `BadInput`."""
    text = re.sub(r"\s+=\s*", "=", text)
    if "=" not in text and len(text.split()) > 1:
        text = "=".join(text.split(maxsplit=1))
    found = []
    for pair in re.split(r"\s+(?=[\w-]+=)", text):
        name, sign, value = pair.partition("=")
        if not sign:
            raise BadInput(
                say("`{text}` is not of the form name=value.", text=pair),
                remedy=say("For example: {command}", command="/set lora_rank=16"),
            )
        found.append((name.strip(), value.strip()))
    return found


def pairs(app: SteersmanApp) -> Sequence[str]:
    """Return settings, with their values where those are words."""
    from planner.setting_values import settings

    found: list[str] = []
    for name, setting in settings().items():
        words = setting.choices or (("true", "false") if setting.field.annotation is bool else ("",))
        found += [f"{name}={word}" for word in words]
    return found


COMMAND = SlashCommand(
    help=template("fix a setting"),
    hint=template("/set lora_rank=16; /set lora_rank= leaves it to the planner again"),
    act=act,
    completes=pairs,
    needs_argument=True,
)
