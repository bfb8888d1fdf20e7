"""The plan: facts, wishes, decisions with reasons, forecast and stages, in one record."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from planner.facts import Facts
from planner.schema import Record
from planner.wishes import Value, Wishes

StageName = Literal[
    "acquire", "convert", "prepare", "preflight", "train", "merge", "generate", "export", "report"
]
STAGES: tuple[StageName, ...] = (
    "acquire",
    "convert",
    "prepare",
    "preflight",
    "train",
    "merge",
    "generate",
    "report",
)
"""What every run does. `planner.after_stages` adds what a plan's target needs."""


class Alternative(Record):
    """A value that was considered and rejected."""

    value: Value
    because: str = Field(description="Why not, in one sentence a novice understands.")


class Decision(Record):
    """One setting chosen, with its reason."""

    value: Value
    because: str = Field(description="One sentence a novice understands, with the figures that decided it.")
    rule: str = Field(
        description="Id of the rule that chose it, such as `batch.micro`; `pin` when the person fixed it."
    )
    source: str = Field(description="Measurement, upstream file or paper that the rule rests on.")
    alternatives: tuple[Alternative, ...] = ()


class MemoryPart(Record):
    """One term of the peak-memory forecast."""

    bytes: int = Field(ge=0)
    because: str = Field(description="The formula with its numbers.")


class Forecast(Record):
    """What the run is predicted to need. Per process unless a field says otherwise."""

    memory_parts: dict[str, MemoryPart] = Field(
        description="weights, gradients, optimizer, activations, logits, overhead, ..."
    )
    peak_memory_bytes: int = Field(
        description="Sum of the parts: one training process on its device (or in host RAM on CPU)."
    )
    memory_limit_bytes: int = Field(description="What the device or host offers to one process.")
    host_memory_bytes: int = Field(description="Host RAM of all training processes of one node.")
    disk_bytes: int = Field(description="Model copies, checkpoints and results.")
    tokens_per_second: float = Field(description="Non-padding training tokens per second over all processes.")
    step_seconds: float
    train_seconds: float
    train_seconds_low: float | None = Field(
        None, description="Four of five runs of the kind take longer; None in plans of an older version."
    )
    train_seconds_high: float | None = Field(None, description="Four of five runs of the kind end sooner.")
    cost: float | None = Field(
        None, description="Money for training, in the currency of `cost_per_device_hour`; None without it."
    )
    evaluation_peak_bytes: int | None = Field(
        None, description="Peak of one process while it evaluates; None when nothing is evaluated."
    )
    memory_ratio: float = Field(
        1.0, description="Correction of memory by measurements that is in the figures."
    )
    speed_ratio: float = Field(1.0, description="Correction of speed by measurements that is in the figures.")
    total_seconds: float = Field(description="All stages.")
    stage_seconds: dict[str, float] = Field(description="Per stage, for progress and ETA.")
    assumptions: tuple[str, ...] = ()


class AlternativePlan(Record):
    """Another whole plan for the same wishes: what would be set differently, and what that would cost."""

    title: str = Field(description="What is different, in a few words.")
    changes: dict[str, Value] = Field(description="Settings to fix, as `--set` takes them, to get that plan.")
    follows: dict[str, Value] = Field(
        default_factory=dict, description="What is shared differently then, beside the changes."
    )
    peak_memory_bytes: int
    train_seconds: float
    tokens_per_second: float | None = Field(
        None, description="Over all devices, padding not counted; plans made before it was kept have none."
    )
    cost: float | None = None
    because: str = Field(description="The trade-off in one sentence, with figures.")


class Plan(Record):
    """One fine-tune, ready to run. Same facts + wishes + version give the same bytes."""

    steersman: str = Field(description="Version that made the plan.")
    name: str = Field(description="Short name; runs are named after it.")
    facts: Facts
    wishes: Wishes
    decisions: dict[str, Decision] = Field(
        description="Setting name -> decision, every setting exactly once."
    )
    forecast: Forecast
    stages: tuple[StageName, ...] = STAGES
    alternatives: tuple[AlternativePlan, ...] = Field(
        (), description="Up to three other plans, the most different first."
    )

    def value(self, setting: str) -> Value:
        """Return the decided value of `setting`; KeyError if the plan does not decide it."""
        return self.decisions[setting].value
