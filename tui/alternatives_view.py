"""The other plans that were considered, with what each would give and take."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from planner.alternatives import METHODS
from planner.language import say
from planner.phrases import duration, size
from planner.plan import AlternativePlan, Forecast, Plan
from planner.search import words as settings_text
from planner.solve import show
from tui.page import NARROW, indented

LITTLE = 0.05
"""Share below which memory or time count as the same."""


def other_ways(plan: Plan, file: str, console: Console) -> RenderableType | None:
    """Return up to three other plans beside this one, with their trade-offs and how to ask for each; None if
    there is none."""
    if not plan.alternatives:
        return None
    priced = plan.forecast.cost is not None
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    for _ in range(3 if priced else 2):
        table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold", style="dim")
    head = [say("training"), say("per process"), *([say("costs")] if priced else [])]
    table.add_row("", *(Text(word, style="dim") for word in head), "")
    table.add_row(Text(say("this plan"), style="bold"), *figures(plan.forecast, priced), "")
    wide = console.width >= NARROW
    for number, other in enumerate(plan.alternatives, 1):
        title = Text.assemble(f"{number}. ", (title_of(other), "bold"))
        table.add_row(title, *figures(other, priced), trade_off(plan, other) if wide else "")
        if not wide:
            table.add_row(Text(trade_off(plan, other), style="dim"))
    return Group(indented(table), *asking(plan, file))


def figures(way: AlternativePlan | Forecast, priced: bool) -> list[str]:
    """Return time, memory and, where there is a price, the cost of training."""
    cells = [duration(way.train_seconds), size(way.peak_memory_bytes)]
    if priced:
        cells.append("-" if way.cost is None else f"{way.cost:,.2f}")
    return cells


def title_of(other: AlternativePlan) -> str:
    """Return what is different, one change after another."""
    return settings_text(other.changes)


def trade_off(plan: Plan, other: AlternativePlan) -> str:
    """Return what another plan gives and takes against this one, in a few words."""
    here = plan.forecast
    words = [*learning(plan, other)]
    memory = other.peak_memory_bytes - here.peak_memory_bytes
    if abs(memory) > LITTLE * here.peak_memory_bytes:
        amount = size(abs(memory))
        words.append(
            say("{amount} less", amount=amount) if memory < 0 else say("{amount} more", amount=amount)
        )
    ratio = other.train_seconds / max(1e-9, here.train_seconds)
    if ratio > 1 + LITTLE:
        words.append(say("{ratio:.1f} times as long", ratio=ratio))
    elif ratio < 1 - LITTLE:
        words.append(say("{ratio:.1f} times as fast", ratio=1 / ratio))
    else:
        words.append(same_time(plan, other))
    if other.follows:
        words.append(say("with {settings}", settings=settings_text(other.follows)))
    return ", ".join(words)


def same_time(plan: Plan, other: AlternativePlan) -> str:
    """Return how a plan compares that takes as long: within a time limit, by what it sees in that time."""
    if plan.wishes.time_limit_minutes and other.tokens_per_second:
        seen = other.tokens_per_second / max(1e-9, plan.forecast.tokens_per_second)
        if abs(seen - 1) > LITTLE:
            return say("{ratio:.1f} times the text in the same time", ratio=seen)
    return say("as fast")


def learning(plan: Plan, other: AlternativePlan) -> Iterator[str]:
    """Yield whether another method can learn more or less, if the method is what differs."""
    method = other.changes.get("method")
    if method in METHODS and plan.value("method") in METHODS:
        more = METHODS.index(str(method)) - METHODS.index(str(plan.value("method")))
        if more:
            yield say("can learn more") if more > 0 else say("can learn less")


def asking(plan: Plan, file: str) -> Iterator[RenderableType]:
    """Yield the commands that show each of the other plans beside this one."""
    for number, other in enumerate(plan.alternatives, 1):
        pins = " ".join(f"--set {name}={show(value)}" for name, value in other.changes.items())
        yield Text(f"{number}. steersman what-if {file} {pins}", style="dim")
