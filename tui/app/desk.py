"""What lies on the person's desk: the plan at hand, its file, and the plans before it. Screens share it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.plan import Plan
    from runtime.run.layout import RunFolder


@dataclass
class Desk:
    """The plan at hand. `before` are the plans that it replaced, oldest first, for comparisons."""

    plan: Plan | None = None
    file: Path | None = None
    """Where the plan is saved, if it is."""
    run: RunFolder | None = None
    """The run that was opened last."""
    before: list[Plan] = field(default_factory=list)

    def put(self, plan: Plan, file: Path | None = None) -> None:
        """Put a plan on the desk; the one that was there stays for comparisons."""
        if self.plan is not None and self.plan != plan:
            self.before = [*self.before[-9:], self.plan]
        self.plan, self.file = plan, file
