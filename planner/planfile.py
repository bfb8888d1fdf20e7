"""The plan file: YAML that a person can read, edit, compare and mail.

An edit of a decision is a pin: `loads` plans again around it, so that nothing in the file is silently
inconsistent (steps follow epochs, the forecast follows everything). What was planned is noted at the end of
the file, which is how an edit is seen.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

import yaml

from planner.errors import SteersmanError
from planner.language import join, say, speaking, template
from planner.methods import next_command
from planner.older_plans import fingerprint, known_fingerprints, lacking
from planner.plan import Plan
from planner.plan_reading import parse
from planner.refusals import show
from planner.setting_values import settings
from planner.wishes import Value, Wishes

HEADER = template(
    """\
# A fine-tune, planned by Steersman. Run it:
#
#     {command}
#
# Every decision has a value, the reason for it, and what was rejected. To change one, edit its `value`
# (and nothing else): the next command that reads this file plans the rest around it, and says so if that
# cannot work. The same holds for `wishes`. `steersman plan --list-settings` explains every setting.
"""
)

SECTIONS = {
    "wishes": template("What you asked for."),
    "decisions": template("What was decided, by subject."),
    "stages": template("What a run does, in order."),
    "forecast": template("What it is predicted to need: bytes and seconds."),
    "alternatives": template("Other plans for the same wishes. Not for editing."),
    "facts": template("What was known: the model, the data, the machine. Not for editing."),
    "as_planned": template("How an edit is noticed. Not for editing."),
}


class _Dumper(yaml.SafeDumper):
    """Block style, two blanks, no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def dumps(plan: Plan, file: str = "plan.yaml") -> str:
    """Return the file's text; the same plan gives the same bytes. `file` only names it in the header."""
    body = plan.model_dump(mode="json", exclude_none=True)
    body["decisions"] = _by_subject(body["decisions"])
    body["as_planned"] = {
        "facts_and_wishes": fingerprint(plan.facts, plan.wishes),
        "values": {name: _plain(plan.value(name)) for name in settings()},
    }
    with speaking(plan.wishes.language):
        parts = [
            say(HEADER, command=next_command(plan, file)),
            _yaml({"steersman": plan.steersman, "name": plan.name}),
        ]
        parts += [f"# {say(words)}\n{_yaml({section: body[section]})}" for section, words in SECTIONS.items()]
    return "\n".join(parts)


def loads(text: str, where: str = "plan.yaml") -> Plan:
    """Return the plan in `text`; `where` names it in messages.

    Raises `BadInput` with file, line and field for anything that is not a plan, and whatever `make_plan` says
    when an edited value or wish cannot work.
    """
    return loads_telling(text, where)[0]


def loads_telling(text: str, where: str = "plan.yaml") -> tuple[Plan, str]:
    """Return the plan, and one line about what it lacks since an earlier version saved it; mostly empty."""
    plan, planned, inputs, lacked = parse(text, where, metadata.version("steersman"))
    edited = {
        name: decision.value
        for name, decision in plan.decisions.items()
        if (type(decision.value), decision.value) != (type(planned[name]), planned[name])
    }
    if edited or inputs not in known_fingerprints(plan.facts, plan.wishes):
        plan = replanned(plan, edited, planned, where)
    return plan, lacking(lacked, plan, where)


def replanned(plan: Plan, edited: dict[str, Value], before: dict[str, Value], where: str) -> Plan:
    """Return the plan made again with the edits fixed; edited decisions say what they replaced."""
    from planner.solve import make_plan  # here, because most files are as they were planned

    pins = plan.wishes.pins | edited
    try:
        again = make_plan(plan.facts, Wishes.model_validate({**plan.wishes.model_dump(), "pins": pins}))
    except SteersmanError as error:
        changed = ", ".join(f"{name}={show(value)}" for name, value in sorted(edited.items()))
        error.why = join((say("It was edited: {changes}.", changes=changed) if changed else "", error.why))
        error.what = f"{where}: {error.what}"
        raise
    decisions = dict(again.decisions)
    with speaking(again.wishes.language):
        source = say("the person's own choice")
        because = {
            name: say("You changed it in the plan file; it was {value}.", value=show(before[name]))
            for name in edited
        }
    for name in edited:
        decisions[name] = decisions[name].model_copy(
            update={
                "rule": "edited",
                "because": because[name],
                "source": source,
            }
        )
    return again.model_copy(update={"decisions": decisions, "name": plan.name})


def _by_subject(decisions: dict[str, Any]) -> dict[str, dict[str, Any]]:
    grouped: dict[str, dict[str, Any]] = {}
    for name, setting in settings().items():
        grouped.setdefault(setting.group, {})[name] = decisions[name]
    return grouped


def _plain(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
