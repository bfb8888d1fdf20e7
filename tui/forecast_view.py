"""What a plan needs, on the terminal: memory by part against the card, time, cost, disk, host RAM."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from planner.language import say, template
from planner.phrases import count, duration, plural, size
from planner.plan import MemoryPart, Plan
from tui.page import NARROW, Glyphs, bar, bullets, glyphs, rows, width_of
from tui.plan_figures import (
    cost,
    on_devices,
    share_used,
    total_time,
    training_time,
    trains,
    units,
    usable_bytes,
    whole_cost,
)

PARTS = {
    "weights": template("weights"),
    "reference model": template("reference model"),
    "adapter": template("adapter"),
    "gradients": template("gradients"),
    "master weights": template("master weights"),
    "optimizer": template("optimizer"),
    "activations": template("activations"),
    "logits": template("logits"),
    "pipeline": template("pipeline"),
    "communication": template("communication"),
    "allocator": template("allocator"),
    "overhead": template("overhead"),
}
"""Part of the memory forecast -> its word."""

WIDE = 140
"""Columns from which the bars are longer."""

STYLES = ("cyan", "bright_blue", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "red")

STAGES = {
    "acquire": template("acquire"),
    "convert": template("convert"),
    "prepare": template("prepare"),
    "preflight": template("preflight"),
    "train": template("train"),
    "merge": template("merge"),
    "generate": template("generate"),
    "evaluate": template("evaluate"),
    "quantise": template("quantise"),
    "export": template("export"),
    "report": template("report"),
}
"""Stage of a run -> its word."""


def memory(plan: Plan, console: Console) -> RenderableType:
    """Return peak memory of one process: all of it against the card, and part by part where it lies.

    A narrow terminal has no room for the formulas; `memory_reasons` lists them.
    """
    shapes, wide = glyphs(console), bar_width(console)
    limit = max(plan.forecast.memory_limit_bytes, plan.forecast.peak_memory_bytes)
    shown = shown_parts(plan)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", width=width_of([*(name for name, _ in shown), say("all")]), no_wrap=True)
    table.add_column(width=wide, no_wrap=True)
    table.add_column(justify="right", width=8, no_wrap=True)
    table.add_column(style="dim", overflow="fold", ratio=1)
    usage = say("{share:.0%} of what may be used (up to {limit})", share=share_used(plan), limit=shapes.limit)
    if console.width < NARROW:
        usage = f"{share_used(plan):.0%} {shapes.limit}"
    peak = plan.forecast.peak_memory_bytes
    table.add_row(Text(say("all"), style="bold"), whole_bar(plan, shapes, wide), size(peak), usage)
    reached = 0.0
    for index, (name, part) in enumerate(shown):
        style = STYLES[index % len(STYLES)]
        piece = bar(reached / limit, (reached + part.bytes) / limit, wide, shapes, style)
        table.add_row(name, piece, size(part.bytes), part.because if console.width >= NARROW else "")
        reached += part.bytes
    return Group(memory_title(plan), table)


def bar_width(console: Console) -> int:
    """Return the cells of a bar: what names, sizes and, on a wide terminal, the formulas leave."""
    if console.width < NARROW:
        return min(48, max(16, console.width - 36))
    return 40 if console.width < WIDE else 64


def whole_bar(plan: Plan, shapes: Glyphs, wide: int) -> Text:
    """Return the bar of all parts together, with a mark where the usable memory ends."""
    limit = max(plan.forecast.memory_limit_bytes, plan.forecast.peak_memory_bytes)
    peak, usable = plan.forecast.peak_memory_bytes, usable_bytes(plan)
    whole = bar(0, peak / limit, wide, shapes, "bold")
    border = min(wide - 1, int(usable / limit * wide))
    if peak >= usable:
        return whole
    return whole[:border] + Text(shapes.limit, style="bold") + whole[border + 1 :]


def shown_parts(plan: Plan) -> list[tuple[str, MemoryPart]]:
    """Return the parts that take memory, with their words."""
    parts = plan.forecast.memory_parts.items()
    return [(said(PARTS, name), part) for name, part in parts if part.bytes]


def memory_reasons(plan: Plan) -> RenderableType:
    """Return the formula of each part, as labelled rows."""
    return rows((name, part.because) for name, part in shown_parts(plan))


def memory_title(plan: Plan) -> Text:
    """Return the sentence above the bars."""
    words = template(
        "{peak} per process at most, of the {limit} of its device, of which {usable} may be used."
    )
    if not on_devices(plan):
        words = template(
            "{peak} per process at most, of {limit} of RAM for each, of which {usable} may be used."
        )
    ahead = plan.forecast
    sentence = say(
        words,
        peak=size(ahead.peak_memory_bytes),
        limit=size(ahead.memory_limit_bytes),
        usable=size(usable_bytes(plan)),
    )
    return Text.assemble((say("Memory"), "bold"), "  ", sentence)


def needs(plan: Plan) -> RenderableType:
    """Return time, cost, disk and host RAM as labelled rows."""
    ahead = plan.forecast
    steps = int(str(plan.value("max_steps")))
    training = say(
        "{span}: {tokens} tokens/s, {step} per step, {steps}",
        span=training_time(plan).seconds(),
        tokens=count(ahead.tokens_per_second),
        step=short(ahead.step_seconds),
        steps=plural(steps, "step"),
    )
    return rows(
        (
            (say("Training"), training if trains(plan) else ""),
            (
                say("Whole run"),
                say("{span}: {stages}", span=total_time(plan).seconds(), stages=stage_times(plan)),
            ),
            (say("Cost"), price(plan)),
            (say("Disk"), size(ahead.disk_bytes)),
            (say("Host RAM"), host_memory(plan)),
        )
    )


def short(seconds: float) -> str:
    """Return the seconds of one step with two figures that count."""
    return say("{number} s", number=f"{seconds:.2g}") if seconds < 100 else duration(seconds)


def stage_times(plan: Plan) -> str:
    """Return the stages that take at least a hundredth of the whole, with their times."""
    ahead = plan.forecast
    least = 0.01 * ahead.total_seconds
    times = {stage: ahead.stage_seconds.get(stage, 0.0) for stage in plan.stages}
    shown = {stage: seconds for stage, seconds in times.items() if seconds >= least}
    return ", ".join(f"{said(STAGES, stage)} {duration(seconds)}" for stage, seconds in shown.items())


def price(plan: Plan) -> str:
    """Return what training costs at the price that was given, and what the whole run does."""
    training, whole = cost(plan), whole_cost(plan)
    if training is None or whole is None:
        return ""
    hourly = say(
        "at {price:g} x {units} per hour",
        price=plan.wishes.cost_per_device_hour,
        units=plural(units(plan), "device" if on_devices(plan) else "machine"),
    )
    if not trains(plan):
        return say("{whole} for the whole run, {hourly}", whole=whole.money(), hourly=hourly)
    return say(
        "{training} for training, {whole} if the whole run is paid, {hourly}",
        training=training.money(),
        whole=whole.money(),
        hourly=hourly,
    )


def host_memory(plan: Plan) -> str:
    """Return host RAM of one node while loading and training, against what there is."""
    if not on_devices(plan):
        return ""
    needed, present = size(plan.forecast.host_memory_bytes), size(plan.facts.hardware.memory_bytes)
    if plan.facts.hardware.memory_assumed:
        return say("{needed} per machine; {present} are assumed", needed=needed, present=present)
    return say("{needed} of {present} per machine", needed=needed, present=present)


def assumptions(plan: Plan) -> RenderableType:
    """Return what the forecast takes for granted and what corrected it, one line each."""
    return bullets(plan.forecast.assumptions)


def said(words: dict[str, str], key: str) -> str:
    """Return the word for `key` in the current language; itself if the table lacks it."""
    return say(words.get(key, key))
