"""Plan screen."""

from __future__ import annotations

from pathlib import Path

from textual.screen import Screen

from planner.plan import Plan


class PlanScreen(Screen[None]):
    """Plan."""

    def __init__(self, plan: Plan, file: Path | None = None) -> None:
        super().__init__()
        self.plan = plan
        self.file = file
