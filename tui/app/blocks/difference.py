"""Another plan beside the one at hand: what it comes to, the figures, and what it decides otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from planner.language import say

if TYPE_CHECKING:
    from planner.difference import Difference
    from planner.plan import Plan
    from tui.app.work import Reporter

FIGURES = ("peak_memory_bytes", "train_seconds", "total_seconds", "tokens_per_second", "disk_bytes", "cost")
MOST_SETTINGS = 12


class OtherPlan(NamedTuple):
    """What was asked, empty for the plan before; two plans, and how the later differs from the earlier."""

    asked: str
    before: Plan
    plan: Plan
    difference: Difference

    @property
    def language(self) -> str:
        """Language of the plans' own sentences."""
        return self.plan.wishes.language

    def title(self) -> str:
        """Return the headline."""
        return say("What if: {change}", change=self.asked or say("the plan before"))

    def respoken(self, reporter: Reporter) -> OtherPlan:
        """Return the same in the language of the moment; takes as long as planning."""
        from tui.plan_input import in_language

        return beside(self.asked, in_language(self.before), in_language(self.plan))

    def shown(self) -> RenderableType:
        """Return the difference as it is read."""
        difference = self.difference
        if difference.is_empty:
            return Text(say("Nothing would change."))
        parts: list[RenderableType] = [Text(difference.because)]
        parts += [Text(line, style="dim") for line in difference.facts]
        parts.append(figures(difference))
        if difference.settings:
            parts.append(decided(difference))
        return Group(*parts)


class Page:
    """What a person reads of another plan, in the language in which it was said last."""

    def __init__(self, now: OtherPlan) -> None:
        self.now = now

    def title(self) -> str:
        """Return the headline."""
        return self.now.title()

    def shown(self) -> RenderableType:
        """Return the difference as it is read."""
        return self.now.shown()


def beside(asked: str, before: Plan, plan: Plan) -> OtherPlan:
    """Return a plan beside another."""
    from planner.difference import compare

    return OtherPlan(asked, before, plan, compare(before, plan))


def figures(difference: Difference) -> Table:
    """Return the figures that differ, before and after."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(justify="right")
    grid.add_column()
    grid.add_column(justify="right", style="bold")
    for one in difference.figures:
        before, after = one.shown(one.before), one.shown(one.after)
        if one.name in FIGURES and before != after:
            grid.add_row(one.label, before, "→", after)
    return grid


def decided(difference: Difference) -> Table:
    """Return the settings that differ with the reason of the later value."""
    from planner.solve import show

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    for one in difference.settings[:MOST_SETTINGS]:
        change = Text.assemble(show(one.before), " → ", (show(one.after), "bold"))
        grid.add_row(one.name, Text.assemble(change, "  ", (one.because_after, "dim")))
    more = len(difference.settings) - MOST_SETTINGS
    if more > 0:
        grid.add_row("", Text(say("and {count} more", count=more), style="dim"))
    return grid
