"""Every kind of event, as pydantic models: one JSON line of a worker's event file, or of the journal."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Event(BaseModel):
    """What all events carry. A loss may be NaN or infinite, which JSON can only say in a string."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    t: float = Field(description="Seconds since the epoch.")
    stage: str = Field(description="Stage that it belongs to; empty for the run as a whole.")
    rank: int = Field(0, description="Training process; 0 for everything else.")


class Progress(Event):
    """How far a stage is."""

    kind: Literal["progress"] = "progress"
    done: float
    total: float
    unit: str
    message: str = ""


class Metric(Event):
    """Figures at an optimizer step."""

    kind: Literal["metric"] = "metric"
    step: int
    values: dict[str, float]


class Log(Event):
    """One sentence for the person."""

    kind: Literal["log"] = "log"
    level: Literal["info", "warning"] = "info"
    message: str


class Artifact(Event):
    """A file or folder worth opening."""

    kind: Literal["artifact"] = "artifact"
    name: str
    path: str


class Proof(Event):
    """A stage's evidence that its result is right."""

    kind: Literal["proof"] = "proof"
    name: str
    passed: bool
    sentence: str
    measured: dict[str, float | int | str] = Field(default_factory=dict)


class State(Event):
    """A change of state of the run or of a stage."""

    kind: Literal["state"] = "state"
    state: Literal[
        "created",
        "started",
        "resumed",
        "running",
        "saving",
        "saved",
        "stopping",
        "stopped",
        "paused",
        "waiting",
        "replanned",
        "skipped",
        "redone",
        "committed",
        "failed",
        "finished",
    ]
    reason: str = ""
    outputs: dict[str, Any] = Field(
        default_factory=dict, description="With `committed`: name -> path and hashes."
    )
    figures: dict[str, Any] = Field(
        default_factory=dict,
        description="With `committed`: what the stage measured; with `replanned`: what changed.",
    )
    fingerprint: str = Field(
        "", description="With `committed`, `replanned`: hash of the stage's specification and inputs."
    )
    seconds: float = Field(0, description="With `committed`, `failed`, `finished`: wall time.")


class Error(Event):
    """A failure in words."""

    kind: Literal["error"] = "error"
    what: str
    why: str = ""
    remedy: str = ""
    log_path: str = ""


AnyEvent = Annotated[Progress | Metric | Log | Artifact | Proof | State | Error, Field(discriminator="kind")]
EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)
"""Parses and validates one event: `EVENT.validate_json(line)`."""
