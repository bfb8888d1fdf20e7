"""What a constraint is: one thing that the engine refuses, or silently does not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from planner.situation import Situation


class Constraint(NamedTuple):
    """One refusal: `broken` says whether it applies, `sentence` what is wrong, with figures; `fix` the
    smallest change."""

    id: str
    settings: tuple[str, ...]
    broken: Callable[[Situation], bool]
    sentence: Callable[[Situation], str]
    fix: str
    source: str
    early: bool = False
    """Whether pins alone can break it, so that it is judged before a layout is looked for."""
