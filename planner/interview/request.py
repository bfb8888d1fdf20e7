"""The answers as what a plan is made from: names for the facts, and wishes."""

from __future__ import annotations

from typing import Any, NamedTuple

from planner.interview.question import Known
from planner.language import current
from planner.wishes import Wishes

FIELDS = {
    "stage": "stage",
    "goal": "goal",
    "time_limit": "time_limit_minutes",
    "target": "target",
    "context_length": "context_length",
    "test_prompts": "test_prompts",
    "price": "cost_per_device_hour",
    "recipes": "recipes",
}
"""Question -> field of `Wishes`."""

PINNED = ("method", "engine")
"""Questions whose answer is a setting that the person fixed."""


class Request(NamedTuple):
    """What a plan is to be made from."""

    model: str
    data: str
    hardware: str | None
    """None: this machine."""
    wishes: Wishes


def request(known: Known) -> Request:
    """Return the request of the answers so far; what was not answered has its default, or is empty."""
    hardware = known.value("hardware")
    return Request(
        str(known.value("model") or ""),
        str(known.value("data") or ""),
        None if hardware is None else str(hardware),
        wishes(known),
    )


def wishes(known: Known) -> Wishes:
    """Return the wishes of the answers so far, in the language of the moment."""
    given: dict[str, Any] = {
        field: known.value(key) for key, field in FIELDS.items() if known.value(key) is not None
    }
    pins = dict(known.pins)
    pins |= {name: value for name in PINNED if (value := known.value(name)) is not None}
    return Wishes(**given, language=current(), pins=pins)
