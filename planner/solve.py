"""Facts and wishes in, a plan out. Pure and deterministic: the same input gives the same plan, to the
byte."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import cache
from importlib import metadata

from planner import acceptance
from planner.after_stages import stages_of
from planner.budget import start_seconds
from planner.errors import NothingFeasible
from planner.facts import Facts
from planner.forecast import fits_host, make_forecast
from planner.language import say, speaking
from planner.phrases import duration, size
from planner.plan import Alternative, Decision, Forecast, Plan
from planner.refusals import checked_pins, refusal, show
from planner.rules import RULES
from planner.rules.constraint import Constraint
from planner.rules.constraints import broken, broken_by_pins
from planner.rules.engine import RULES as ENGINE_RULES
from planner.rules.rule import Choice, Rule
from planner.search import HEADROOM
from planner.setting_values import settings
from planner.situation import Situation
from planner.unused import unused
from planner.wishes import Wishes

__all__ = ["make_plan", "show", "solved"]


def make_plan(facts: Facts, wishes: Wishes, *, alternatives: bool = True) -> Plan:
    """Return the plan: every setting decided once, with its reason, in the language of the wishes.

    `alternatives` also makes up to three other plans, for their trade-offs. Raises `BadInput` for pins that
    are no settings or have no valid value, and `NothingFeasible` when the facts, the wishes and the pins
    cannot be had together, with the smallest fix; both name everything at once.
    """
    from planner.alternatives import alternative_plans

    with speaking(wishes.language):
        s = solved(facts, wishes)
        forecast = make_forecast(s)
        refuse_oversize(s, forecast)
        plan = Plan(
            steersman=version(),
            name=plan_name(s),
            facts=facts,
            wishes=s.wishes,
            decisions={name: s.decisions[name] for name in settings()},
            forecast=forecast,
            stages=stages_of(s),
        )
        refuse_unaccepted(plan)
        if not alternatives:
            return plan
        return plan.model_copy(update={"alternatives": alternative_plans(s, plan, make_plan)})


def solved(facts: Facts, wishes: Wishes) -> Situation:
    """Return the situation in which every setting is decided."""
    pins = checked_pins(wishes.pins, say("Fixed setting: "))
    s = Situation(facts, wishes.model_copy(update={"pins": pins}))
    for rule in ENGINE_RULES:
        s.decisions[rule.setting] = decide(s, rule)
    refuse(*broken_by_pins(s))
    refuse_hurry(s)
    for rule in RULES:
        if rule.setting not in s.decisions:
            s.decisions[rule.setting] = decide(s, rule)
    explain_unused(s)
    refuse(broken(s), s)
    return s


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
    because = say("You fixed it; the planner would have chosen the same.")
    if own is None:
        because = say("You fixed it.")
    elif own.value != pinned:
        because = say("You fixed it; the planner would have chosen {value}.", value=show(own.value))
        others = (Alternative(value=own.value, because=own.because),)
    return Decision(
        value=pinned, because=because, rule="pin", source=say("the person's own choice"), alternatives=others
    )


def explain_unused(s: Situation) -> None:
    """Say of settings that have no effect beside the others that they have none."""
    for name in settings():
        sentence = "" if name in s.wishes.pins else unused(s, name)
        if sentence:
            s.decisions[name] = s.decisions[name].model_copy(update={"because": sentence, "alternatives": ()})


def own_choice(s: Situation, rule: Rule) -> Choice | None:
    """Return what the rule itself would choose for a pinned setting; None if it finds nothing feasible
    without the pin."""
    without = {name: value for name, value in s.wishes.pins.items() if name != rule.setting}
    free = Situation(s.facts, s.wishes.model_copy(update={"pins": without}), dict(s.decisions), s.memo)
    try:
        return rule.choose(free)
    except NothingFeasible:
        return None


def refuse(faults: Iterable[Constraint], s: Situation) -> None:
    """Raise `NothingFeasible` for everything that the engine would refuse, with the pins that are part of
    it."""
    found = [fault.finding(s) for fault in faults if fault.refuses]
    if found:
        raise refusal(found, s.wishes.pins)


def refuse_hurry(s: Situation) -> None:
    """Raise `NothingFeasible` for a time limit in which training could not even start."""
    limit, start = s.wishes.time_limit_minutes, start_seconds(s)
    if limit is not None and limit * 60 <= start:
        raise NothingFeasible(
            say(
                "Starting processes and loading {model} takes about {start}, and your limit for training is "
                "{limit:g} min.",
                model=s.model.name,
                start=duration(start),
                limit=limit,
            ),
            remedy=say("Allow at least {minutes} min.", minutes=math.ceil(start / 60) + 1),
        )


def refuse_oversize(s: Situation, forecast: Forecast) -> None:
    """Raise `NothingFeasible` when device memory, host memory or disk does not suffice for the decisions as a
    whole."""
    peak, limit, disk = forecast.peak_memory_bytes, forecast.memory_limit_bytes, forecast.disk_bytes
    if peak > HEADROOM * limit:
        raise NothingFeasible(
            say(
                "The plan needs {peak} of memory per process, and {usable} may be used.",
                peak=size(peak),
                usable=size(HEADROOM * limit),
            ),
            remedy=say(
                "Lower per_device_train_batch_size (now {micro}) or max_length (now {length}), or allow "
                "recompute.",
                micro=s.get("per_device_train_batch_size"),
                length=s.get("max_length"),
            ),
        )
    if s.on_gpu and not fits_host(s, forecast.host_memory_bytes):
        raise NothingFeasible(
            say(
                "Loading the model takes {needed} of host memory on a node, and it has {memory}.",
                needed=size(forecast.host_memory_bytes),
                memory=size(s.hardware.memory_bytes),
            )
            if not s.get("offload_optim")
            else say(
                "Optimizer states that wait in host memory take {needed} on a node, and it has {memory}.",
                needed=size(forecast.host_memory_bytes),
                memory=size(s.hardware.memory_bytes),
            ),
            remedy=say("Use fewer processes per node, or a node with more memory.")
            if not s.get("offload_optim")
            else say("Train adapters (method lora), or use more nodes, or nodes with more memory."),
        )
    free = s.hardware.disk_free_bytes
    if s.hardware.origin == "probed" and disk > free:
        raise NothingFeasible(
            say("The run needs about {disk} of disk, and {free} are free.", disk=size(disk), free=size(free)),
            remedy=say("Free some space, or set STEERSMAN_HOME to a folder on a larger disk."),
        )


def refuse_unaccepted(plan: Plan) -> None:
    """Raise when the engine would refuse the plan's own config, fail on it or ignore part of it."""
    found = acceptance.refusals(plan)
    if found:
        raise refusal(found, plan.wishes.pins)


@cache
def version() -> str:
    """Return the version that makes plans; looking it up takes as long as a fifth of a plan."""
    return metadata.version("steersman")


def plan_name(s: Situation) -> str:
    """Return a short name for runs, safe in a path: model, data and method."""
    data = re.split(r"[/\\]", s.data.path.rstrip("/\\"))[-1].split(".")[0]
    model = re.split(r"[/\\]", s.model.name.rstrip("/\\"))[-1]
    words = re.sub(r"[^a-z0-9.]+", "-", f"{model}-{data}-{s.word('method')}".lower()).strip("-.")
    return words[:60].rstrip("-.") or "plan"
