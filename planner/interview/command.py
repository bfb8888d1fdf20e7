"""Words that steer the walk instead of answering: `why?`, `back`, `not sure`; the same in every front end."""

from __future__ import annotations

import re
from typing import Literal, cast

from planner.interview.reading import exactly

Command = Literal["why", "help", "back", "skip", "unsure", "undo", "quit"]
"""why: why it is asked. help: what can be typed. back: the question before. skip: take the default.
unsure: take the default and say why it is one. undo: as before the last step. quit: leave, keep answers."""


ASKING_BACK = re.compile(
    r"(?:what|how|which|is|are|can|does|do|should)\b.*[?？]|what(?:'s|’s| is| are| does)\b|"
    r"什么是|.*(?:是什么|什么意思)",
    re.IGNORECASE,
)
"""A question in return, such as `what is lora?`: it answers nothing."""


def meaning(text: str) -> Command | None:
    """Return the command that a line means; None where it is an answer. An empty line takes the default."""
    line = text.strip()
    if not line:
        return "skip"
    if set(line) <= {"?", "？"}:
        return "help"
    if ASKING_BACK.match(line):
        return "why"
    return cast(Command | None, exactly(line.rstrip("?？吗呢 "), "commands"))
