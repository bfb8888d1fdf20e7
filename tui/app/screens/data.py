"""Data screen."""

from __future__ import annotations

from textual.screen import Screen

from planner.plan import Plan


class DataScreen(Screen[None]):
    """Data."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
