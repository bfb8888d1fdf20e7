"""Wishes: what the person wants, in their words, and what they fixed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from planner.schema import Record

Value = bool | int | float | str | tuple[str, ...]


class Wishes(Record):
    """What the person asked for. Everything has a default, so an empty `Wishes()` is a valid request."""

    stage: Literal["sft"] = Field("sft", description="What kind of training.")
    goal: Literal["quality", "balance", "speed", "memory"] = Field(
        "balance", description="What to favour when settings conflict."
    )
    time_limit_minutes: float | None = Field(None, gt=0, description="Training should end within this.")
    test_prompts: str | None = Field(
        None, description="File of held-out prompts for the generate stage; default: dev rows."
    )
    pins: dict[str, Value] = Field(
        default_factory=dict, description="Settings the person fixed; the planner plans around them."
    )
