"""Words that steer the walk instead of answering: `why?`, `back`, `not sure`; the same in every front end."""

from __future__ import annotations

from typing import Literal, cast

from planner.interview.reading import exactly

Command = Literal["why", "help", "back", "skip", "unsure", "undo", "quit"]
"""why: why it is asked. help: what can be typed. back: the question before. skip: take the default.
unsure: take the default and say why it is one. undo: as before the last step. quit: leave, keep answers."""


def meaning(text: str) -> Command | None:
    """Return the command that a line means; None where it is an answer. An empty line takes the default."""
    line = text.strip()
    if not line:
        return "skip"
    if set(line) <= {"?", "？"}:
        return "help"
    return cast(Command | None, exactly(line.rstrip("?？吗呢 "), "commands"))
