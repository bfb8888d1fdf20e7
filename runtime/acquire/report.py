"""How a source says how far it is, and how it is told to stop."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, float, str, str], None]
"""Called with done, total, unit (`bytes`, `files`) and a message.

It may raise, which ends the work; nothing is published then.
"""


class News(str):
    """A message that tells what was decided: worth keeping after its progress has gone by."""


def silent(done: float, total: float, unit: str, message: str) -> None:
    """Report nothing."""
