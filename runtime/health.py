"""One thing that was looked at: how it is, in a sentence, and what to do about it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from planner.schema import Record

Level = Literal["ok", "note", "warning", "problem"]


class Finding(Record):
    """The result of one check of a machine or an engine."""

    level: Level = Field(
        description="problem: has to be fixed; warning: works with a drawback; note: good to know."
    )
    subject: str = Field(description="What was looked at, in one or two words.")
    sentence: str = Field(description="How it is.")
    remedy: str = Field("", description="What to do; empty when nothing is to be done.")
