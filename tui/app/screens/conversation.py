"""Conversation screen."""

from __future__ import annotations

from textual.screen import Screen

from planner.plan import Plan


class ConversationScreen(Screen[None]):
    """Conversation."""

    def __init__(self, plan: Plan | None = None) -> None:
        super().__init__()
        self.plan = plan
