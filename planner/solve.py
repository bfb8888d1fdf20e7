"""Facts and wishes in, a plan out. Pure and deterministic: the same input gives the same plan, to the
byte."""

from __future__ import annotations

import math
import re
from importlib import metadata

from planner.budget import start_seconds
from planner.errors import NothingFeasible
from planner.facts import Facts
from planner.families import SFT_FAMILIES
from planner.forecast import make_forecast
from planner.layout import HEADROOM
from planner.phrases import duration, parameters, size
from planner.plan import Alternative, Decision, Plan
from planner.rules import RULES
from planner.rules.constraint import Constraint
from planner.rules.constraints import ADAPTER_SETTINGS, broken, broken_by_pins
from planner.rules.rule import Choice, Rule
from planner.setting_values import check_value, settings
from planner.situation import Situation
from planner.wishes import Wishes


def make_plan(facts: Facts, wishes: Wishes) -> Plan:
    """Return the plan: every setting decided once, with its reason.

    Raises `BadInput` for a pin that is no setting or has no valid value, and `NothingFeasible` when the
    facts, the wishes and the pins cannot be had together, with the smallest fix.
    """
    pins = {name: check_value(name, value, "Fixed setting: ") for name, value in wishes.pins.items()}
    s = Situation(facts, wishes.model_copy(update={"pins": {name: pins[name] for name in sorted(pins)}}))
    if facts.model.model_type in SFT_FAMILIES:
        refuse(*broken_by_pins(s))
    refuse_hurry(s)
    for rule in RULES:
        s.decisions[rule.setting] = decide(s, rule)
    explain_unused(s)
    refuse(broken(s), s)
    forecast = make_forecast(s)
    refuse_oversize(s, forecast.peak_memory_bytes, forecast.memory_limit_bytes, forecast.disk_bytes)
    return Plan(
        steersman=metadata.version("steersman"),
        name=plan_name(s),
        facts=facts,
        wishes=s.wishes,
        decisions={name: s.decisions[name] for name in settings()},
        forecast=forecast,
    )


def decide(s: Situation, rule: Rule) -> Decision:
    """Return the decision on one setting: the pin if there is one, else the rule's choice."""
    pinned = s.pin(rule.setting)
    if pinned is None:
        choice = rule.choose(s)
        return Decision(
            value=choice.value,
            because=choice.because,
            rule=rule.id,
            source=rule.source,
            alternatives=tuple(other for other in choice.alternatives if other.value != choice.value),
        )
    own = own_choice(s, rule)
    others: tuple[Alternative, ...] = ()
    because = "You fixed it; the planner would have chosen the same."
    if own is None:
        because = "You fixed it."
    elif own.value != pinned:
        because = f"You fixed it; the planner would have chosen {show(own.value)}."
        others = (Alternative(value=own.value, because=own.because),)
    return Decision(
        value=pinned, because=because, rule="pin", source="the person's own choice", alternatives=others
    )


def explain_unused(s: Situation) -> None:
    """Say of adapter settings that they have no effect when every weight is trained."""
    if s.word("method") != "full":
        return
    for name in ADAPTER_SETTINGS:
        if name not in s.wishes.pins:
            because = (
                f"Not used: method full trains all {parameters(s.model.parameters)} weights, not adapters."
            )
            s.decisions[name] = s.decisions[name].model_copy(update={"because": because, "alternatives": ()})


def own_choice(s: Situation, rule: Rule) -> Choice | None:
    """Return what the rule itself would choose for a pinned setting; None if it finds nothing feasible
    without the pin."""
    without = {name: value for name, value in s.wishes.pins.items() if name != rule.setting}
    free = Situation(s.facts, s.wishes.model_copy(update={"pins": without}), dict(s.decisions))
    try:
        return rule.choose(free)
    except NothingFeasible:
        return None


def refuse(faults: list[Constraint], s: Situation) -> None:
    """Raise `NothingFeasible` for everything that the engine would refuse, with the pins that are part of
    it."""
    if not faults:
        return
    names = sorted({name for fault in faults for name in fault.settings if name in s.wishes.pins})
    fixed = ", ".join(f"{name}={show(s.wishes.pins[name])}" for name in names)
    raise NothingFeasible(
        " ".join(fault.sentence(s) for fault in faults),
        why=f"Fixed by you: {fixed}." if fixed else "",
        remedy=" ".join(dict.fromkeys(fault.fix for fault in faults)),
    )


def refuse_hurry(s: Situation) -> None:
    """Raise `NothingFeasible` for a time limit in which training could not even start."""
    limit, start = s.wishes.time_limit_minutes, start_seconds(s)
    if limit is not None and limit * 60 <= start:
        raise NothingFeasible(
            f"Starting processes and loading {s.model.name} takes about {duration(start)}, and your limit "
            f"for training "
            f"is {limit:g} min.",
            remedy=f"Allow at least {math.ceil(start / 60) + 1} min.",
        )


def refuse_oversize(s: Situation, peak: int, limit: int, disk: int) -> None:
    """Raise `NothingFeasible` when memory or disk does not suffice for the decisions as a whole."""
    if peak > HEADROOM * limit:
        raise NothingFeasible(
            f"The plan needs {size(peak)} of memory per process, and {size(HEADROOM * limit)} may be used.",
            remedy=f"Lower per_device_train_batch_size (now {s.get('per_device_train_batch_size')}) or "
            f"max_length (now {s.get('max_length')}), or allow recompute.",
        )
    free = s.hardware.disk_free_bytes
    if s.hardware.origin == "probed" and disk > free:
        raise NothingFeasible(
            f"The run needs about {size(disk)} of disk, and {size(free)} are free.",
            remedy="Free some space, or set STEERSMAN_HOME to a folder on a larger disk.",
        )


def plan_name(s: Situation) -> str:
    """Return a short name for runs, safe in a path: model, data and method."""
    data = re.split(r"[/\\]", s.data.path.rstrip("/\\"))[-1].split(".")[0]
    model = re.split(r"[/\\]", s.model.name.rstrip("/\\"))[-1]
    words = re.sub(r"[^a-z0-9.]+", "-", f"{model}-{data}-{s.word('method')}".lower()).strip("-.")
    return words[:60].rstrip("-.") or "plan"


def show(value: object) -> str:
    """Return a value as it stands in a plan file."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
