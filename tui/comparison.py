"""What differs between plans, as values: facts and wishes, settings, and what each plan needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from planner.difference import compare
from planner.language import say, template
from planner.phrases import count, machine, plural, size
from planner.plan import Plan
from planner.setting_values import settings
from planner.solve import show
from tui.alternatives_view import LITTLE
from tui.plan_figures import cost, memory_words, share_used, total_time, training_time


class Difference(NamedTuple):
    """One line of a comparison: what it is about, and its words in each plan."""

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether not all plans say the same."""
        return len(set(self.values)) > 1


INPUTS: dict[str, Callable[[Plan], str]] = {
    template("model"): lambda plan: plan.facts.model.name,
    template("data"): lambda plan: plan.facts.data.path,
    template("rows"): lambda plan: plural(plan.facts.data.train_rows, "row"),
    template("machine"): lambda plan: machine(plan.facts.hardware),
    template("stage"): lambda plan: plan.wishes.stage,
    template("goal"): lambda plan: plan.wishes.goal,
    template("time limit"): lambda plan: (
        say("{number} min", number=f"{plan.wishes.time_limit_minutes:g}")
        if plan.wishes.time_limit_minutes
        else "-"
    ),
    template("price"): lambda plan: f"{plan.wishes.cost_per_device_hour or '-'}",
    template("target"): lambda plan: plan.wishes.target,
    template("context length"): lambda plan: f"{plan.wishes.context_length or '-'}",
    template("fixed"): lambda plan: (
        ", ".join(f"{name}={show(value)}" for name, value in plan.wishes.pins.items()) or "-"
    ),
}
"""What a plan is made from."""

NEEDS: dict[str, Callable[[Plan], str]] = {
    template("memory per process"): lambda plan: f"{memory_words(plan)} ({share_used(plan):.0%})",
    template("speed"): lambda plan: say("{tokens} tokens/s", tokens=count(plan.forecast.tokens_per_second)),
    template("steps"): lambda plan: count(int(str(plan.value("max_steps")))),
    template("training"): lambda plan: training_time(plan).seconds(),
    template("whole run"): lambda plan: total_time(plan).seconds(),
    template("cost of training"): lambda plan: price(plan),
    template("disk"): lambda plan: size(plan.forecast.disk_bytes),
    template("host RAM"): lambda plan: size(plan.forecast.host_memory_bytes),
}
"""What a plan needs."""


def price(plan: Plan) -> str:
    """Return what training costs; a dash without a price."""
    money = cost(plan)
    return money.money() if money else "-"


def inputs(plans: Sequence[Plan]) -> list[Difference]:
    """Return the facts and wishes that are not the same in all plans."""
    lines = [Difference(say(name), tuple(map(words, plans))) for name, words in INPUTS.items()]
    return [line for line in lines if line.differs]


def decided(plans: Sequence[Plan]) -> list[Difference]:
    """Return the settings that are not the same in all plans, in the order of the table."""
    lines = [Difference(name, tuple(show(plan.value(name)) for plan in plans)) for name in settings()]
    return [line for line in lines if line.differs]


def needed(plans: Sequence[Plan]) -> list[Difference]:
    """Return what each plan needs; what says nothing in any of them is left out."""
    lines = [Difference(say(name), tuple(map(words, plans))) for name, words in NEEDS.items()]
    return [line for line in lines if set(line.values) != {"-"}]


def memory_parts(plans: Sequence[Plan]) -> list[Difference]:
    """Return the parts of the memory forecast that are not the same in all plans."""
    names = dict.fromkeys(name for plan in plans for name in plan.forecast.memory_parts)
    lines = []
    for name in names:
        parts = [plan.forecast.memory_parts.get(name) for plan in plans]
        words = tuple(size(part.bytes) if part is not None and part.bytes else "-" for part in parts)
        lines.append(Difference(say(name), words))
    return [line for line in lines if line.differs]


def verdict(first: Plan, other: Plan) -> str:
    """Return what the other plan gives and takes against the first, in one sentence."""
    seconds = total_time(other).low / max(1e-9, total_time(first).low)
    memory = other.forecast.peak_memory_bytes / max(1, first.forecast.peak_memory_bytes)
    speed = other.forecast.tokens_per_second / max(1e-9, first.forecast.tokens_per_second)
    changed = plural(len(decided((first, other))), "setting")
    return say(
        "{changed} of {all} differ: {speed}, {seconds}, {memory}.",
        changed=changed,
        all=len(settings()),
        speed=at_speed(speed),
        seconds=say("as long as a whole")
        if alike(seconds)
        else say("{ratio:.2g} times the whole time", ratio=seconds),
        memory=say("as much memory per process")
        if alike(memory)
        else say("{ratio:.2g} times the memory per process", ratio=memory),
    )


def at_speed(ratio: float) -> str:
    """Return how fast, beside the first plan: `3 times the speed`, `7% of the speed`."""
    if alike(ratio):
        return say("as fast")
    if ratio > 1:
        return say("{ratio:.2g} times the speed", ratio=ratio)
    return say("{share:.2g}% of the speed", share=100 * ratio)


def alike(ratio: float) -> bool:
    """Return whether a ratio is as good as one."""
    return abs(ratio - 1) <= LITTLE


def as_data(names: Sequence[str], plans: Sequence[Plan]) -> dict[str, Any]:
    """Return the comparison as plain data: each plan's forecast, and how it differs from the first plan."""
    first, *others = plans
    return {
        "plans": list(names),
        "inputs": {line.name: dict(zip(names, line.values, strict=True)) for line in inputs(plans)},
        "forecasts": {
            name: plan.forecast.model_dump(mode="json") for name, plan in zip(names, plans, strict=True)
        },
        "differences": {
            name: compare(first, plan).model_dump(mode="json")
            for name, plan in zip(names[1:], others, strict=True)
        },
    }
