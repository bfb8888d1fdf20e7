"""The other ways that were considered: the best of each kind, with what it would give and take."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType

from planner.plan import Plan


def other_ways(plan: Plan) -> RenderableType | None:
    """Return up to three other ways with their trade-offs; None if there is none."""
    found: tuple[Any, ...] = getattr(plan, "alternatives", ())
    if not found:
        return None
    return None
