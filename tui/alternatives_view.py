"""The other plans that were considered, with what each would give and take."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from planner.language import say
from planner.phrases import duration, size
from planner.plan import AlternativePlan, Plan
from planner.solve import show
from tui.page import indented


def other_ways(plan: Plan, file: str) -> RenderableType | None:
    """Return up to three other plans with their trade-offs and how to ask for each; None if there is none."""
    if not plan.alternatives:
        return None
    return Group(*(one(number, other, file) for number, other in enumerate(plan.alternatives, 1)))


def one(number: int, other: AlternativePlan, file: str) -> RenderableType:
    """Return one alternative: what is different, its figures, the trade-off, the command that shows it."""
    figures = [
        say("training {time}", time=duration(other.train_seconds)),
        say("{memory} per process", memory=size(other.peak_memory_bytes)),
    ]
    if other.cost is not None:
        figures.append(say("costs {money}", money=f"{other.cost:,.2f}"))
    title = Text.assemble(f"{number}. ", (other.title, "bold"), "  ", (", ".join(figures), "cyan"))
    pins = " ".join(f"--set {name}={show(value)}" for name, value in other.changes.items())
    below = [Text(other.because)]
    if pins:
        below.append(Text(f"steersman what-if {file} {pins}", style="dim"))
    return Group(title, *(indented(line, below=0) for line in below))
