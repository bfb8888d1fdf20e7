"""Plans side by side on the terminal: what they were made from, what they need, what differs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from planner.language import say
from planner.plan import Plan
from planner.setting_values import settings
from tui.comparison import Difference, decided, inputs, memory_parts, needed, verdict
from tui.decision_view import SUBJECTS
from tui.page import INDENT, heading, indented, width_of


def print_comparison(
    names: Sequence[str], plans: Sequence[Plan], console: Console, *, why: bool = True
) -> None:
    """Print plans side by side; with `why` also each plan's reason for what it decides otherwise."""
    made, needs, parts, differing = inputs(plans), needed(plans), memory_parts(plans), decided(plans)
    wide = width_of([line.name for line in (*made, *needs, *parts, *differing)])
    sections = (say("Made from"), made), (say("Needs"), needs), (say("Memory by part"), parts)
    for title, lines in sections:
        if lines:
            console.print(heading(title))
            console.print(indented(side_by_side(names, lines, wide, console.width)))
    console.print(heading(say("Decided otherwise")))
    if not differing:
        console.print(indented(Text(say("Nothing: every setting is the same."))))
        return
    for group, subject in SUBJECTS.items():
        lines = [line for line in differing if settings()[line.name].group == group]
        if lines:
            console.print(Text(f"  {say(subject)}", style="bold"))
            console.print(indented(side_by_side((), lines, wide, console.width), below=0))
            if why:
                console.print(indented(reasons(names, plans, lines), below=0))
    console.print()
    for name, plan in list(zip(names, plans, strict=True))[1:]:
        sentence = verdict(plans[0], plan)
        console.print(
            Text.assemble((say("{name} against {first}: ", name=name, first=names[0]), "bold"), sentence)
        )


def side_by_side(names: Sequence[str], lines: Sequence[Difference], wide: int, width: int) -> RenderableType:
    """Return one column for each plan, headed by `names` if any; what differs from the first plan is bold."""
    plans = len(lines[0].values)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", width=wide, no_wrap=True)
    for _ in range(plans):
        table.add_column(width=max(8, (width - wide - INDENT) // plans - 2), overflow="fold")
    if names:
        table.add_row("", *(Text(name, style="dim") for name in names))
    for line in lines:
        first, *others = line.values
        cells = [Text(value, style="bold" if value != first else "") for value in others]
        table.add_row(line.name, first, *cells)
    return table


def reasons(names: Sequence[str], plans: Sequence[Plan], lines: Sequence[Difference]) -> RenderableType:
    """Return each plan's reason for the settings that differ."""
    texts = []
    for line in lines:
        for name, plan in zip(names, plans, strict=True):
            because = plan.decisions[line.name].because
            texts.append(Text.assemble(f"{line.name}, {name}: ", because, style="dim"))
    return Group(*texts)
