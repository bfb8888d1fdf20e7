"""The difference of two plans as a value: which settings changed and why, and the forecasts side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from planner.facts import DataFacts, HardwareFacts, ModelFacts
from planner.language import say, speaking
from planner.phrases import count, duration, machine, size
from planner.plan import Forecast, Plan
from planner.schema import Record
from planner.setting_values import settings
from planner.solve import make_plan
from planner.trade_off import trade_off
from planner.wishes import Value

Unit = Literal["bytes", "seconds", "tokens per second", "money"]


class ChangedSetting(Record):
    """One setting that two plans decide differently, with both reasons."""

    name: str
    group: str = Field(description="Subject of the setting, such as `parallel`.")
    before: Value
    after: Value
    because_before: str
    because_after: str


class ChangedFigure(Record):
    """One figure of the forecast in both plans; None where a plan has none."""

    name: str = Field(description="Field of the forecast, or `memory: <part>`.")
    label: str = Field(description="The same in words.")
    unit: Unit
    before: float | None
    after: float | None

    @property
    def ratio(self) -> float | None:
        """After / before; None when there is nothing to compare."""
        return self.after / self.before if self.before and self.after is not None else None

    def shown(self, value: float | None) -> str:
        """Return a value as people read it."""
        if value is None:
            return say("none")
        if self.unit == "bytes":
            return size(value)
        if self.unit == "seconds":
            return duration(value)
        if self.unit == "tokens per second":
            return say("{tokens} tokens/s", tokens=count(value))
        return f"{value:,.2f}"


class Difference(Record):
    """Two plans side by side."""

    before: str = Field(description="Name of the first plan.")
    after: str
    facts: tuple[str, ...] = Field(description="What is known differently, one sentence each.")
    settings: tuple[ChangedSetting, ...]
    figures: tuple[ChangedFigure, ...]
    because: str = Field(description="What it comes to, in one sentence.")

    @property
    def is_empty(self) -> bool:
        """Whether both plans decide and predict the same."""
        return not self.settings and all(one.before == one.after for one in self.figures)


def compare(before: Plan, after: Plan) -> Difference:
    """Return the difference of two plans, in the language of the second one's wishes."""
    with speaking(after.wishes.language):
        return Difference(
            before=before.name,
            after=after.name,
            facts=changed_facts(before, after),
            settings=changed_settings(before, after),
            figures=changed_figures(before.forecast, after.forecast),
            because=trade_off(before.forecast, after.forecast),
        )


def what_if(
    plan: Plan,
    hardware: HardwareFacts | None = None,
    pins: Mapping[str, Value | None] | None = None,
    model: ModelFacts | None = None,
    **wishes: object,
) -> tuple[Plan, Difference]:
    """Return the plan made again with other hardware, model, pins or wishes, and how it differs.

    `pins` are added to those of the plan; None releases one. Corrections by measurements are dropped with the
    machine they were taken on. Raises what `make_plan` raises.
    """
    changed: dict[str, object] = {}
    if hardware is not None:
        changed |= {"hardware": hardware, "calibration": None}
    if model is not None:
        changed["model"] = model
    fixed = {**plan.wishes.pins, **(pins or {})}
    left = {name: value for name, value in fixed.items() if value is not None}
    facts = plan.facts.model_copy(update=changed)
    after = make_plan(facts, plan.wishes.model_copy(update={**wishes, "pins": left}))
    return after, compare(plan, after)


def changed_settings(before: Plan, after: Plan) -> tuple[ChangedSetting, ...]:
    """Return the settings whose values differ, in the order of the settings table."""
    found = []
    for name, setting in settings().items():
        old, new = before.decisions[name], after.decisions[name]
        if old.value != new.value:
            found.append(
                ChangedSetting(
                    name=name,
                    group=setting.group,
                    before=old.value,
                    after=new.value,
                    because_before=old.because,
                    because_after=new.because,
                )
            )
    return tuple(found)


def changed_figures(before: Forecast, after: Forecast) -> tuple[ChangedFigure, ...]:
    """Return the forecasts side by side: the totals, then memory by part."""
    rows: tuple[tuple[str, str, Unit], ...] = (
        ("peak_memory_bytes", say("peak memory of one process"), "bytes"),
        ("memory_limit_bytes", say("memory of one device"), "bytes"),
        ("evaluation_peak_bytes", say("peak memory in evaluation"), "bytes"),
        ("host_memory_bytes", say("host memory of one node"), "bytes"),
        ("disk_bytes", say("disk"), "bytes"),
        ("tokens_per_second", say("training speed"), "tokens per second"),
        ("step_seconds", say("one step"), "seconds"),
        ("train_seconds", say("training"), "seconds"),
        ("total_seconds", say("whole run"), "seconds"),
        ("cost", say("cost of training"), "money"),
    )
    found = [
        figure(name, label, unit, getattr(before, name), getattr(after, name)) for name, label, unit in rows
    ]
    for part in dict.fromkeys((*before.memory_parts, *after.memory_parts)):
        old, new = before.memory_parts.get(part), after.memory_parts.get(part)
        found.append(
            figure(
                f"memory: {part}", say(part), "bytes", old.bytes if old else None, new.bytes if new else None
            )
        )
    return tuple(one for one in found if one.before is not None or one.after is not None)


def figure(name: str, label: str, unit: Unit, before: float | None, after: float | None) -> ChangedFigure:
    """Return one figure of both plans."""
    return ChangedFigure(name=name, label=label, unit=unit, before=before, after=after)


def changed_facts(before: Plan, after: Plan) -> tuple[str, ...]:
    """Return what is known or wished differently."""
    lines = []
    for label, old, new in (
        (say("hardware"), machine(before.facts.hardware), machine(after.facts.hardware)),
        (say("model"), before.facts.model.name, after.facts.model.name),
        (say("data"), data_name(before.facts.data), data_name(after.facts.data)),
        (say("stage"), before.wishes.stage, after.wishes.stage),
        (say("goal"), before.wishes.goal, after.wishes.goal),
    ):
        if old != new:
            lines.append(say("{what}: {after} instead of {before}.", what=label, after=new, before=old))
    return tuple(lines)


def data_name(data: DataFacts) -> str:
    """Return where data is, or how much of it is elsewhere."""
    return say("{rows:,} rows elsewhere", rows=data.train_rows + data.dev_rows) if data.typed else data.path
