"""Plans that commands read: from files, in the language that is spoken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from planner.errors import BadInput, SteersmanError
from planner.language import current, say
from planner.plan import Plan
from planner.planfile import loads_telling
from planner.solve import make_plan


def read_plan(path: Path, tell: Callable[[str], object] = str) -> Plan:
    """Return the plan in a file, edits planned around; `BadInput` in one sentence for anything else.

    What an earlier version's file lacks is filled, and `tell` gets one line about it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or say("it is not text")
        raise BadInput(say("The plan {path} cannot be read: {reason}.", path=path, reason=reason)) from error
    try:
        plan, lacking = loads_telling(text, str(path))
    except BadInput as error:
        if is_config(text):
            raise BadInput(
                say("{path} is a training config, not a plan.", path=path),
                remedy=say("Ask about it with: steersman audit {path}", path=path),
            ) from error
        raise
    if lacking:
        tell(lacking)
    return plan


def is_config(text: str) -> bool:
    """Return whether a text is a config of PaddleNLP or PaddleFormers, which many take for a plan."""
    from planner.audit.reading import read

    try:
        return "model_name_or_path" in read(text).values
    except BadInput:
        return False


def in_language(plan: Plan, language: str | None = None) -> Plan:
    """Return the plan with its sentences in `language`, by default the one that is spoken.

    A plan is a function of facts and wishes, so it is made again with that wish alone changed. Where this
    version would decide otherwise than the one that made the plan, the plan stays as it is.
    """
    language = language or current()
    if plan.wishes.language == language:
        return plan
    try:
        again = make_plan(plan.facts, plan.wishes.model_copy(update={"language": language}))
    except SteersmanError:
        return plan
    same = all(again.value(name) == decision.value for name, decision in plan.decisions.items())
    return again.model_copy(update={"name": plan.name}) if same else plan
