"""What a plan needs, on the terminal: memory by part against the card, time, cost, disk, host RAM."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from planner.language import say, template
from planner.phrases import count, duration, plural, size
from planner.plan import Plan
from tui.page import NARROW, bar, bullets, glyphs, rows, width_of
from tui.plan_figures import cost, on_devices, share_used, total_time, training_time, units, usable_bytes

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
    """Return peak memory of one process: all of it against the card, and part by part where it lies."""
    shapes = glyphs(console)
    limit = max(plan.forecast.memory_limit_bytes, plan.forecast.peak_memory_bytes)
    shown = [(name, part) for name, part in plan.forecast.memory_parts.items() if part.bytes]
    names = [said(PARTS, name) for name, _ in shown]
    wide = 40 if console.width >= NARROW else 24
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", width=width_of([*names, say("all")]), no_wrap=True)
    table.add_column(width=wide, no_wrap=True)
    table.add_column(justify="right", width=8, no_wrap=True)
    table.add_column(style="dim", overflow="fold", ratio=1)
    peak, usable = plan.forecast.peak_memory_bytes, usable_bytes(plan)
    whole = bar(0, peak / limit, wide, shapes, "bold")
    border = min(wide - 1, int(usable / limit * wide))
    if peak < usable:
        whole = whole[:border] + Text(shapes.limit, style="bold") + whole[border + 1 :]
    usage = say("{share:.0%} of what may be used (up to {limit})", share=share_used(plan), limit=shapes.limit)
    table.add_row(Text(say("all"), style="bold"), whole, size(peak), usage)
    reached = 0.0
    for index, ((_, part), name) in enumerate(zip(shown, names, strict=True)):
        piece = bar(
            reached / limit, (reached + part.bytes) / limit, wide, shapes, STYLES[index % len(STYLES)]
        )
        table.add_row(name, piece, size(part.bytes), part.because)
        reached += part.bytes
    return Group(memory_title(plan), table)


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
        "{span} of training: {tokens} tokens/s, {step} per step, {steps}",
        span=training_time(plan).seconds(),
        tokens=count(ahead.tokens_per_second),
        step=short(ahead.step_seconds),
        steps=plural(steps, "step"),
    )
    return rows(
        (
            (say("Time"), training),
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
    """Return what training costs at the price that was given."""
    money = cost(plan)
    if money is None:
        return ""
    return say(
        "{money} for training, at {price:g} x {units} per hour",
        money=money.money(),
        price=plan.wishes.cost_per_device_hour,
        units=plural(units(plan), "device" if on_devices(plan) else "machine"),
    )


def host_memory(plan: Plan) -> str:
    """Return host RAM of one node while loading and training, against what there is."""
    if not on_devices(plan):
        return ""
    return say(
        "{needed} of {present} per machine",
        needed=size(plan.forecast.host_memory_bytes),
        present=size(plan.facts.hardware.memory_bytes),
    )


def assumptions(plan: Plan) -> RenderableType:
    """Return what the forecast takes for granted and what corrected it, one line each."""
    return bullets(plan.forecast.assumptions)


def said(words: dict[str, str], key: str) -> str:
    """Return the word for `key` in the current language; itself if the table lacks it."""
    return say(words.get(key, key))
