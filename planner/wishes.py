"""Wishes: what the person wants, in their words, and what they fixed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from planner.schema import Record

Value = bool | int | float | str | tuple[str, ...]


Stage = Literal["pretrain", "sft", "dpo", "kto", "orpo", "simpo", "reward", "embedding", "quantise", "export"]
"""Continued pretraining, supervised fine-tuning, preference learning by loss, reward model, embeddings; or
quantise or export a model that exists. ORPO and SimPO are DPO's loss types `or`/`orpo` and `simpo`."""


class Wishes(Record):
    """What the person asked for. Everything has a default, so an empty `Wishes()` is a valid request."""

    stage: Stage = Field("sft", description="What kind of training, or what to do instead of training.")
    goal: Literal["quality", "balance", "speed", "memory"] = Field(
        "balance", description="What to favour when settings conflict."
    )
    time_limit_minutes: float | None = Field(None, gt=0, description="Training should end within this.")
    cost_per_device_hour: float | None = Field(
        None, gt=0, description="Money for one device (or CPU machine) and hour, in any currency."
    )
    target: Literal["huggingface", "paddle_static", "fastdeploy"] = Field(
        "huggingface", description="What the finished model is for; huggingface also serves vLLM."
    )
    context_length: int | None = Field(
        None, gt=0, description="Longest text in tokens that the finished model must have been trained on."
    )
    language: Literal["en", "zh"] = Field("en", description="Language of the plan's sentences.")
    recipes: str | None = Field(
        None, description="Folder of own recipes; a template there replaces the built-in one of its name."
    )
    test_prompts: str | None = Field(
        None, description="File of held-out prompts for the generate stage; default: dev rows."
    )
    pins: dict[str, Value] = Field(
        default_factory=dict, description="Settings the person fixed; the planner plans around them."
    )
