"""Decisions on the terminal: by subject with their reasons, or one of them in full."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from planner.language import say, template
from planner.plan import Decision, Plan
from planner.setting_values import settings
from planner.situation import Situation
from planner.solve import show
from planner.unused import unused
from tui.page import NARROW, heading, indented, width_of

SUBJECTS = {
    "method": template("Method"),
    "preference": template("Preferences"),
    "data": template("Data"),
    "precision": template("Number formats"),
    "kernels": template("Kernels and recomputation"),
    "parallel": template("Sharing the work"),
    "batch": template("Batch"),
    "optimisation": template("Optimisation"),
    "checkpoints": template("Looking and saving"),
    "worker": template("Environment"),
    "safety": template("Safety"),
    "after": template("Afterwards"),
}
"""Group of settings -> title."""

FIXED = ("pin", "edited")
"""Rules that stand for the person's own choice."""

SHARED = 3
"""From this many settings on, one reason for all of them is said once."""


def decisions(plan: Plan, group: str, console: Console, *, why: bool = False) -> RenderableType:
    """Return the decisions of one subject: setting, value, reason.

    Settings with the same reason, and those without effect here, stand together at the end; with `why` each
    has its own reason.
    """
    names = [name for name, setting in settings().items() if setting.group == group]
    apart, together = ([], {}) if why else shared_reasons(plan, names)
    idle = [] if why else [name for name in names if name not in apart and is_idle(plan, name)]
    alone = [name for name in names if name not in (*apart, *idle)]
    table = columns(alone) if console.width >= NARROW else stacked(alone)
    for name in alone:
        decision = plan.decisions[name]
        cells = label(name, decision), Text(show(decision.value), style="bold")
        if console.width >= NARROW:
            table.add_row(*cells, reason(decision, why))
        else:
            table.add_row(Text.assemble(cells[0], "  ", cells[1]))
            table.add_row(indented(reason(decision, why), below=0))
    rest = [
        Text.assemble((listed(plan, those), "cyan"), "  ", because) for because, those in together.items()
    ]
    if idle:
        rest.append(Text(say("Without effect here: {names}", names=", ".join(idle)), style="dim"))
    return indented(Group(*([table] if alone else []), *rest))


def is_idle(plan: Plan, name: str) -> bool:
    """Return whether a setting has no effect beside the others, and the person did not fix it."""
    situation = Situation(plan.facts, plan.wishes, dict(plan.decisions))
    return plan.decisions[name].rule not in FIXED and bool(unused(situation, name))


def columns(names: list[str]) -> Table:
    """Return an empty table of setting, value and reason."""
    table = Table.grid(padding=(0, 2))
    table.add_column(width=width_of(f"{name} *" for name in names), no_wrap=True)
    table.add_column(width=15, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    return table


def stacked(names: list[str]) -> Table:
    """Return an empty table of one column, for narrow terminals: the reason stands below its setting."""
    table = Table.grid()
    table.add_column(ratio=1, overflow="fold")
    return table


def shared_reasons(plan: Plan, names: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the settings whose reason several share, and reason -> settings."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(plan.decisions[name].because, []).append(name)
    together = {
        because: those
        for because, those in found.items()
        if len(those) >= SHARED and plan.decisions[those[0]].rule not in FIXED
    }
    return [name for those in together.values() for name in those], together


def listed(plan: Plan, names: list[str]) -> str:
    """Return settings with their values as one line."""
    return ", ".join(f"{name} {show(plan.value(name))}".strip() for name in names)


def label(name: str, decision: Decision) -> Text:
    """Return the setting's name, marked when the person fixed it."""
    return Text(name + (" *" if decision.rule in FIXED else ""), style="cyan")


def reason(decision: Decision, why: bool) -> RenderableType:
    """Return the reason; with `why` the rejected alternatives and the source below it."""
    lines = [Text(decision.because)]
    if why:
        lines += [rejected(decision, index) for index in range(len(decision.alternatives))]
        lines.append(Text(f"{decision.rule} ({decision.source})", style="dim italic"))
    return Group(*lines)


def rejected(decision: Decision, index: int) -> Text:
    """Return one rejected value with its reason."""
    other = decision.alternatives[index]
    return Text(say("not {value}: {because}", value=show(other.value), because=other.because), style="dim")


def in_full(plan: Plan, name: str) -> RenderableType:
    """Return everything that is known about one decision."""
    return Group(*parts_in_full(plan, name))


def parts_in_full(plan: Plan, name: str) -> Iterator[RenderableType]:
    """Yield value, reason, meaning, rejected values, rule and source."""
    decision, setting = plan.decisions[name], settings()[name]
    title = say(SUBJECTS[setting.group])
    yield heading(f"{name} = {show(decision.value)}")
    yield indented(Text(decision.because))
    yield indented(Text(say("What it is: {meaning}", meaning=say(setting.meaning))), below=0)
    yield indented(Text(say("It may be {expected}.", expected=setting.expected)))
    if decision.alternatives:
        yield indented(Text(say("What was rejected:"), style="bold"), below=0)
        for index in range(len(decision.alternatives)):
            yield indented(Text.assemble("- ", rejected(decision, index)), below=0)
        yield Text()
    facts = say(
        "Subject: {subject}. Rule: {rule}. Source: {source}.",
        subject=title,
        rule=decision.rule,
        source=decision.source.rstrip("."),
    )
    yield indented(Text(facts, style="dim"))
