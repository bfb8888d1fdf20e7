"""A plan being worked on: what it was before, what the last change moved, whether it is saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from planner.difference import Difference, compare
from planner.plan import Plan
from planner.wishes import Value

FIXED = ("pin", "edited")
"""Rules that stand for the person's own choice."""


@dataclass
class PlanSession:
    """One plan with its past. Nothing here draws or waits."""

    plan: Plan
    file: Path | None = None
    past: list[Plan] = field(default_factory=list)
    last: Difference | None = None
    """What the last change moved; None before the first one, and after the plan was looked at anew."""
    saved: bool = True

    def take(self, plan: Plan) -> Difference:
        """Make another plan the current one; the old one can be had back with `undo`."""
        self.past.append(self.plan)
        return self._become(plan)

    def undo(self) -> bool:
        """Go back by one change; return whether there was one."""
        if not self.past:
            return False
        self._become(self.past.pop())
        return True

    def speak(self, plan: Plan) -> None:
        """Put the same plan in another language in the place of the current one."""
        self.plan = plan

    def before(self, name: str) -> Value | None:
        """Return the value that the last change replaced; None when it left the setting alone."""
        moved = {one.name: one.before for one in self.last.settings} if self.last else {}
        return moved.get(name)

    @property
    def changed(self) -> frozenset[str]:
        """Settings that the last change moved."""
        return frozenset(one.name for one in self.last.settings) if self.last else frozenset()

    def is_fixed(self, name: str) -> bool:
        """Return whether the person fixed the setting."""
        return self.plan.decisions[name].rule in FIXED

    def _become(self, plan: Plan) -> Difference:
        self.last = compare(self.plan, plan)
        self.plan = plan
        self.saved = False
        return self.last


def named(plan: Plan, before: Plan, file: Path | None) -> Plan:
    """Return the plan under the name that its file already has, if it has one."""
    return plan.model_copy(update={"name": before.name}) if file is not None else plan
