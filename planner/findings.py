"""Findings: what is wrong, doubtful or worth knowing, as values; all of them at once."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from planner.schema import Record
from planner.wishes import Value


class Finding(Record):
    """One thing found in a config, a plan or a combination of wishes."""

    code: str = Field(
        description="Stable id, such as `pipeline.sharding-stage`; tests and tools match on it."
    )
    severity: Literal["rejects", "fails", "ignored", "warns", "notes"] = Field(
        description="rejects: the engine's parser refuses it. fails: accepted, and fails later. ignored: "
        "accepted, and does nothing. warns: works, with a risk. notes: could be better."
    )
    field: str = Field("", description="Setting or argument; empty when it concerns the whole.")
    line: int | None = Field(None, description="Line of the file it was read from.")
    got: Value | None = Field(None, description="The value found.")
    needed: str = Field("", description="What it would have to be.")
    because: str = Field(description="One sentence with the figures that decide it.")
    fix: str = Field("", description="The smallest change, as one sentence.")
    source: str = Field("", description="Upstream file and line, measurement or paper.")
