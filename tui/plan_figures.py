"""Figures of a plan that several views show, derived from its forecast and facts."""

from __future__ import annotations

from typing import NamedTuple

from planner.phrases import size, span
from planner.plan import Plan


class Span(NamedTuple):
    """A range of seconds or money."""

    low: float
    high: float

    def seconds(self) -> str:
        """Return a range of time in words."""
        return span(self.low, self.high)

    def money(self) -> str:
        """Return a range of money; two figures that count."""
        low, high = (f"{value:,.0f}" if value >= 100 else f"{value:,.2f}" for value in self)
        return low if low == high else f"{low} - {high}"


def usable_bytes(plan: Plan) -> float:
    """Return what a plan may use of one process's memory; the rest is for what no formula sees."""
    from planner.search import HEADROOM

    return HEADROOM * plan.forecast.memory_limit_bytes


def on_devices(plan: Plan) -> bool:
    """Return whether the plan trains on accelerators."""
    return bool(plan.facts.hardware.devices) and plan.value("engine_build") != "cpu"


def units(plan: Plan) -> int:
    """Return what is paid for: all devices of the machines, or machines without any."""
    hardware = plan.facts.hardware
    return hardware.device_count if on_devices(plan) else hardware.nodes


def training_time(plan: Plan) -> Span:
    """Return the range of seconds that training may take; a single figure where none was forecast."""
    ahead = plan.forecast
    return Span(
        ahead.train_seconds_low or ahead.train_seconds, ahead.train_seconds_high or ahead.train_seconds
    )


def total_time(plan: Plan) -> Span:
    """Return the range of seconds of all stages: only training is uncertain enough to show."""
    training, rest = training_time(plan), plan.forecast.total_seconds - plan.forecast.train_seconds
    return Span(training.low + rest, training.high + rest)


def cost(plan: Plan) -> Span | None:
    """Return the range of money for training; None when no price was given."""
    return priced(plan, training_time(plan))


def whole_cost(plan: Plan) -> Span | None:
    """Return the range of money for all stages, downloads included, if everything is paid for meanwhile."""
    return priced(plan, total_time(plan))


def priced(plan: Plan, span: Span) -> Span | None:
    """Return what a range of seconds costs on all devices (or machines); None when no price was given."""
    price = plan.wishes.cost_per_device_hour
    if price is None:
        return None
    each = price * units(plan) / 3600
    return Span(*(seconds * each for seconds in span))


def trains(plan: Plan) -> bool:
    """Return whether anything is trained; exporting and quantising train nothing."""
    from planner.unused import WITHOUT_TRAINING

    return plan.wishes.stage not in WITHOUT_TRAINING


def share_used(plan: Plan) -> float:
    """Return predicted peak memory as a share of what may be used."""
    return plan.forecast.peak_memory_bytes / usable_bytes(plan)


def memory_words(plan: Plan) -> str:
    """Return peak memory and what may be used, such as `46.2 / 72.0 GiB`."""
    return f"{size(plan.forecast.peak_memory_bytes)} / {size(usable_bytes(plan))}"
