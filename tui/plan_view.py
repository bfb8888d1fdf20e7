"""A plan on the terminal: decisions by subject with their reasons, memory by part, time by stage."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from planner.layout import HEADROOM
from planner.phrases import count, duration, parameters, plural, size
from planner.plan import Decision, Plan
from planner.setting_values import settings
from planner.settings import GROUPS
from planner.solve import show

SUBJECTS = {
    "method": "Method",
    "data": "Data",
    "precision": "Numbers and kernels",
    "parallel": "Processes",
    "batch": "Batch",
    "optimisation": "Optimisation",
    "checkpoints": "Looking and saving",
    "worker": "Environment",
}
PART_STYLES = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "red", "white")
BAR_WIDTH = 48


def print_plan(plan: Plan, console: Console, *, why: bool = False) -> None:
    """Print the plan; with `why` also what was rejected, and the source of each decision."""
    console.print(headline(plan))
    for group in GROUPS:
        console.print(Rule(Text(SUBJECTS[group], style="bold"), align="left", style="dim"))
        console.print(decisions(plan, group, why))
    console.print(Rule(Text("Forecast", style="bold"), align="left", style="dim"))
    console.print(Padding(forecast(plan), (0, 0, 0, 2)))


def headline(plan: Plan) -> RenderableType:
    """Return what is to be done, in four lines."""
    model, data, hardware = plan.facts.model, plan.facts.data, plan.facts.hardware
    lengths = data.lengths
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", min_width=9)
    grid.add_column(overflow="fold")
    grid.add_row("Model", f"{model.name}, {parameters(model.parameters)} weights, {model.model_type}")
    held_out = f"{plural(data.dev_rows, 'row')} held out"
    grid.add_row(
        "Data",
        f"{data.path}: {plural(data.train_rows, 'row')} to train on, {held_out}, {lengths.mean:.0f} tokens "
        f"on "
        f"average" + ("" if lengths.counted else " (estimated)"),
    )
    grid.add_row("Machine", hardware.description + (" (described)" if hardware.origin == "typed" else ""))
    limit = plan.wishes.time_limit_minutes
    grid.add_row("Wishes", f"goal {plan.wishes.goal}" + (f", at most {limit:g} min" if limit else ""))
    return Group(Text(plan.name, style="bold"), Padding(grid, (0, 0, 1, 2)))


def decisions(plan: Plan, group: str, why: bool) -> RenderableType:
    """Return the decisions of one subject as a table of setting, value, reason."""
    table = Table.grid(padding=(0, 2))
    table.add_column(width=28, style="cyan", overflow="fold")
    table.add_column(width=15, style="bold", overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    for name, setting in settings().items():
        if setting.group == group:
            decision = plan.decisions[name]
            table.add_row(label(name, decision), show(decision.value), reason(decision, why))
    return Padding(table, (0, 0, 1, 2))


def label(name: str, decision: Decision) -> Text:
    """Return the setting's name, marked when the person fixed it."""
    mark = {"pin": " *", "edited": " *"}.get(decision.rule, "")
    return Text(name + mark)


def reason(decision: Decision, why: bool) -> RenderableType:
    """Return the reason; with `why` the rejected alternatives and the source below it."""
    lines = [Text(decision.because)]
    if why:
        for alternative in decision.alternatives:
            lines.append(Text(f"not {show(alternative.value)}: {alternative.because}", style="dim"))
        lines.append(Text(f"{decision.rule} ({decision.source})", style="dim italic"))
    return Group(*lines)


def forecast(plan: Plan) -> RenderableType:
    """Return memory, time and disk."""
    return Group(memory(plan), Text(), times(plan), Text(), *notes(plan))


def memory(plan: Plan) -> RenderableType:
    """Return the memory of one process as a bar of its parts, with a legend."""
    ahead = plan.forecast
    usable = HEADROOM * ahead.memory_limit_bytes
    title = Text.assemble(
        ("Memory ", "bold"),
        f"{size(ahead.peak_memory_bytes)} per process, of {size(usable)} that may be used "
        f"({ahead.peak_memory_bytes / usable:.0%})",
    )
    legend = Table.grid(padding=(0, 2))
    legend.add_column(width=2)
    legend.add_column(style="cyan", min_width=15)
    legend.add_column(justify="right", min_width=8)
    legend.add_column(style="dim", overflow="fold")
    for (name, part), style in zip(ahead.memory_parts.items(), PART_STYLES, strict=False):
        if part.bytes:
            legend.add_row(Text("■", style=style), name, size(part.bytes), part.because)
    return Group(title, Text.assemble(*bar(plan)), legend)


def bar(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the coloured pieces of the memory bar; its whole width is what may be used."""
    ahead = plan.forecast
    usable = HEADROOM * ahead.memory_limit_bytes
    filled = 0
    reached = 0.0
    for part, style in zip(ahead.memory_parts.values(), PART_STYLES, strict=False):
        reached += part.bytes
        cells = round(BAR_WIDTH * reached / usable) - filled
        filled += max(0, cells)
        yield "█" * max(0, cells), style
    yield "·" * max(0, BAR_WIDTH - filled), "dim"


def times(plan: Plan) -> RenderableType:
    """Return the time of each stage and of the whole."""
    ahead = plan.forecast
    title = Text.assemble(("Time ", "bold"), f"about {duration(ahead.total_seconds)} in all")
    table = Table.grid(padding=(0, 2))
    for _ in plan.stages:
        table.add_column(justify="right")
    table.add_row(*(Text(stage, style="cyan") for stage in plan.stages))
    table.add_row(*(duration(ahead.stage_seconds[stage]) for stage in plan.stages))
    training = Text(
        f"Training: {count(ahead.tokens_per_second)} tokens/s, {ahead.step_seconds:.2g} s per step, "
        f"{plural(int(str(plan.value('max_steps'))), 'step')}.  Disk: {size(ahead.disk_bytes)}."
    )
    return Group(title, table, training)


def notes(plan: Plan) -> Iterator[Text]:
    """Yield what the forecast takes for granted, and what the mark means."""
    for assumption in plan.forecast.assumptions:
        yield Text(f"- {assumption}", style="dim")
    if any(decision.rule in ("pin", "edited") for decision in plan.decisions.values()):
        yield Text("* fixed by you", style="dim")


def print_settings(console: Console) -> None:
    """Print the table of settings that `--set` takes."""
    for group in GROUPS:
        console.print(Rule(Text(SUBJECTS[group], style="bold"), align="left", style="dim"))
        table = Table.grid(padding=(0, 2))
        table.add_column(width=28, style="cyan", overflow="fold")
        table.add_column(width=32, overflow="fold")
        table.add_column(ratio=1, overflow="fold")
        for name, setting in settings().items():
            if setting.group == group:
                table.add_row(name, setting.expected, setting.meaning)
        console.print(Padding(table, (0, 0, 1, 2)))
