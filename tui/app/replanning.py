"""Jobs that make a plan again: a setting fixed or released, another wish or machine, another language."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from planner.difference import what_if
from planner.errors import BadInput
from planner.language import say
from planner.plan import Plan
from planner.wishes import Value
from tui.app.plan_session import FIXED
from tui.app.what_if_text import Change
from tui.app.work import Reporter

Task = Callable[[Reporter], Plan]


def with_pins(plan: Plan, pins: Mapping[str, Value | None]) -> Task:
    """Return the job that makes the plan again with settings fixed; None releases one."""

    def task(reporter: Reporter) -> Plan:
        reporter.say(say("Planning again"))
        return what_if(plan, pins=pins)[0]

    return task


def in_other_language(plan: Plan, language: str) -> Task:
    """Return the job that says the same plan in another language."""

    def task(reporter: Reporter) -> Plan:
        from tui.plan_input import in_language

        reporter.say(say("Translating the plan"))
        return in_language(plan, language)

    return task


def changed(plan: Plan, change: Change) -> Task:
    """Return the job that makes the plan again with what was typed after "what if"."""

    def task(reporter: Reporter) -> Plan:
        from tui.commands.what_if import changed_facts

        check_release(plan, change.release)
        reporter.say(say("Planning again"))
        wishes = plan.wishes.model_copy(update=change.wishes)
        facts = changed_facts(
            plan, wishes, reporter.say, model=change.model, hardware=change.hardware, data=change.data
        )
        pins: dict[str, Value | None] = {**dict.fromkeys(change.release), **change.pins}
        again, _ = what_if(plan.model_copy(update={"facts": facts}), pins=pins, **change.wishes)
        if again.facts == plan.facts and again.wishes == plan.wishes:
            raise BadInput(say("Nothing is different from the plan."))
        return again

    return task


def check_release(plan: Plan, names: tuple[str, ...]) -> None:
    """Refuse to release a setting that nobody fixed."""
    for name in names:
        if plan.decisions[name].rule not in FIXED:
            fixed = ", ".join(plan.wishes.pins)
            raise BadInput(
                say("{name} is not fixed in this plan.", name=name),
                remedy=say("Fixed are: {names}.", names=fixed) if fixed else "",
            )
