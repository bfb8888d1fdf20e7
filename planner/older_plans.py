"""Plans that an earlier version saved: what they lack is filled with what would be decided today.

What stands in such a plan stays. A setting that it lacks is decided by today's rule, with everything that
stands there taken as given; its decision says so. The file itself is not touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from planner.errors import BadInput, SteersmanError
from planner.facts import Facts
from planner.language import join, say, speaking
from planner.plan import Decision, Plan
from planner.refusals import show
from planner.setting_values import settings
from planner.wishes import Value, Wishes

if TYPE_CHECKING:
    from planner.situation import Situation

FILLED = "filled"
"""Rule of a decision that the saved plan did not have."""

MOST_NAMED = 4
"""Settings that one line names; a plan of the first week lacks fifty."""

Path = tuple[str, ...]

LATER_FIELDS: tuple[tuple[Path, ...], ...] = (
    (("facts", "hardware", "memory_assumed"),),
    (("facts", "data", "layout"), ("facts", "data", "stages")),
    (("wishes", "recipes"),),
    (
        *(
            ("facts", "model", name)
            for name in (
                "parameters_exact",
                "gated_mlp",
                "attention_bias",
                "norm",
                "position",
                "dropout",
                "experts",
                "latent_attention",
                "next_token_layers",
            )
        ),
        *(("facts", "data", name) for name in ("language", "duplicate_rows", "typed")),
        ("facts", "hardware", "devices", "maker"),
        ("facts", "hardware", "devices", "used_by"),
        ("facts", "hardware", "network_gbit"),
        ("facts", "hardware", "network_interface"),
        ("facts", "calibration"),
        *(("wishes", name) for name in ("cost_per_device_hour", "target", "context_length", "language")),
    ),
)
"""Fields of facts and wishes that were added one after the other, the latest first (this project's history).

Fingerprints of plans from before 22 November 2026 are over all fields of their day, so one field more
looks like an edit: a new one gets a line in front. Today's fingerprints leave out what has its default.
"""


def fingerprint(facts: Facts, wishes: Wishes) -> str:
    """Return a short hash of what a plan was made from; a field that has its default does not count."""
    return _hash([part.model_dump(mode="json", exclude_defaults=True) for part in (facts, wishes)])


def known_fingerprints(facts: Facts, wishes: Wishes) -> frozenset[str]:
    """Return every fingerprint that a version may have given to these facts and wishes."""
    parts: dict[str, Any] = {
        "facts": facts.model_dump(mode="json"),
        "wishes": wishes.model_dump(mode="json"),
    }
    found = [fingerprint(facts, wishes), _hash(list(parts.values()))]
    for generation in LATER_FIELDS:
        for path in generation:
            _drop(parts, path)
        found.append(_hash(list(parts.values())))
    return frozenset(found)


def filled(plan: Plan) -> Plan:
    """Return the plan with every setting that it lacks decided by today's rule; its own stay as they are.

    Raises `BadInput` when a rule of today finds nothing beside what stands there.
    """
    with speaking(plan.wishes.language):
        own = {name: decision.value for name, decision in plan.decisions.items()}
        try:
            s = _decided(plan, own)
        except SteersmanError:
            # Today's forecast may find that what stands there does not fit; then each rule looks by itself.
            s = _decided(plan, {})
        decisions = {
            name: plan.decisions[name] if name in own else _as_default(s, name) for name in settings()
        }
    return plan.model_copy(update={"decisions": decisions})


def lacking(names: Iterable[str], values: Plan, where: str) -> str:
    """Return one line about what was filled; empty when nothing was."""
    missing = list(names)
    if not missing:
        return ""
    shown = [f"{name}={show(values.value(name))}" for name in missing[:MOST_NAMED]]
    more = len(missing) - MOST_NAMED
    words = ", ".join(shown)
    if more > 0:
        words = say("{settings} and {more} more", settings=words, more=more)
    return say(
        "{file} was saved by an earlier version and lacks {number} of today's settings; today's defaults "
        "were taken: {settings}. The file stays as it is.",
        file=where,
        number=len(missing),
        settings=words,
    )


def _decided(plan: Plan, own: dict[str, Value]) -> Situation:
    from planner.rules import RULES  # here, because most files lack nothing, and rules take long to import
    from planner.rules.engine import RULES as ENGINE_RULES
    from planner.situation import Situation
    from planner.solve import decide

    wishes = plan.wishes.model_copy(update={"pins": {**own, **plan.wishes.pins}})
    s = Situation(plan.facts, wishes, dict(plan.decisions))
    for rule in (*ENGINE_RULES, *RULES):
        if rule.setting not in s.decisions:
            s.decisions[rule.setting] = decide(s, rule)
    return s


def _as_default(s: Situation, name: str) -> Decision:
    from planner.unused import unused

    decision = s.decisions[name]
    if name in s.wishes.pins:
        return decision
    because = unused(s, name) or decision.because
    return decision.model_copy(
        update={
            "because": join((say("It is not in the saved plan, so today's default is taken."), because)),
            "rule": FILLED,
            "source": say("not in the saved plan; today's default ({rule})", rule=decision.rule),
        }
    )


def refuse_unknown(names: Iterable[str], where: str, theirs: str, ours: str) -> None:
    """Refuse a plan with settings that this version does not have, naming both versions."""
    unknown = sorted(names)
    if unknown:
        raise BadInput(
            where
            + say(
                "it was saved by Steersman {theirs} with settings that this version, {ours}, does not have: "
                "{settings}.",
                theirs=theirs,
                ours=ours,
                settings=", ".join(unknown[:MOST_NAMED]) + (", ..." if len(unknown) > MOST_NAMED else ""),
            ),
            remedy=say("Update Steersman."),
        )


def _drop(tree: Any, path: Path) -> None:
    """Remove a field from a dumped record, in every element of lists on the way."""
    for entry in tree if isinstance(tree, list) else [tree]:
        if not isinstance(entry, dict):
            continue
        if len(path) == 1:
            entry.pop(path[0], None)
        else:
            _drop(entry.get(path[0]), path[1:])


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
