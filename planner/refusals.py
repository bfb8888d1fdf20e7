"""Refusals that say everything at once: one exception for all that is wrong, with the findings as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.errors import BadInput, NothingFeasible
from planner.findings import Finding
from planner.language import say
from planner.setting_values import check_value
from planner.wishes import Value


class BadPins(BadInput):
    """Pins that are no settings, or have no valid value; `findings` names each."""

    findings: tuple[Finding, ...] = ()


class Refused(NothingFeasible):
    """Pins, wishes and facts that the engine refuses together; `findings` names each."""

    findings: tuple[Finding, ...] = ()


def checked_pins(pins: Mapping[str, object], where: str) -> dict[str, Value]:
    """Return every pin as its setting's type, sorted by name; raises `BadInput` with all faults at once."""
    good: dict[str, Value] = {}
    faults: list[tuple[str, BadInput]] = []
    for name in sorted(pins):
        try:
            good[name] = check_value(name, pins[name], where if not faults else "")
        except BadInput as error:
            faults.append((name, error))
    if len(faults) == 1:
        raise faults[0][1]
    if faults:
        refusal = BadPins(" ".join(error.sentence() for _, error in faults))
        refusal.findings = tuple(
            Finding(
                code="pin.value",
                severity="rejects",
                field=name,
                got=plain(pins[name]),
                because=error.what,
                fix=error.remedy,
                source="planner/settings.py",
            )
            for name, error in faults
        )
        raise refusal
    return good


def refusal(findings: Iterable[Finding], pins: Mapping[str, Value]) -> Refused:
    """Return one refusal for all findings, with the pins that are part of it and every fix."""
    found = tuple(findings)
    names = sorted({name for entry in found for name in entry.field.split(", ") if name in pins})
    fixed = ", ".join(f"{name}={show(pins[name])}" for name in names)
    error = Refused(
        " ".join(entry.because for entry in found),
        why=say("Fixed by you: {fixed}.", fixed=fixed) if fixed else "",
        remedy=" ".join(dict.fromkeys(entry.fix for entry in found if entry.fix)),
    )
    error.findings = found
    return error


def plain(value: object) -> Value | None:
    """Return a value that a finding can hold."""
    return value if isinstance(value, bool | int | float | str) else None


def show(value: object) -> str:
    """Return a value as it stands in a plan file."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
