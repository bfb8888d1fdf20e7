"""Rules about arguments: a condition that is wrong, how bad it is, the sentence, the fix and the source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple

from planner.arguments.case import Case
from planner.findings import Finding
from planner.language import say

Severity = Literal["rejects", "fails", "ignored", "warns", "notes"]


class Rule(NamedTuple):
    """One constraint of an engine. `because` and `fix` are templates over `Case.figures`."""

    code: str
    severity: Severity
    field: str
    broken: Callable[[Case], Any]
    because: str
    fix: str
    source: str
    scripts: tuple[str, ...] = ()
    """Scripts it concerns; empty: all that have the argument."""
    extra: tuple[tuple[str, str], ...] = ()
    """More parameters of its sentences, by name."""


def applies(rule: Rule, case: Case) -> bool:
    """Return whether the rule concerns this script."""
    return case.script in rule.scripts if rule.scripts else not rule.field or case.has(rule.field)


def findings(rules: Iterable[Rule], case: Case) -> Iterator[Finding]:
    """Yield a finding for every rule that the config breaks."""
    for rule in rules:
        if applies(rule, case) and rule.broken(case):
            yield finding(rule, case)


def finding(rule: Rule, case: Case) -> Finding:
    """Return what a broken rule says about this config."""
    got = case[rule.field] if rule.field else None
    figures = {**case.figures, **dict(rule.extra)}
    return Finding(
        code=rule.code,
        severity=rule.severity,
        field=rule.field,
        got=got if isinstance(got, str | int | float | bool) else None,
        because=say(rule.because, **figures),
        fix=say(rule.fix, **figures) if rule.fix else "",
        source=rule.source,
    )


def without_output_dir(source: str) -> Finding:
    """Return the finding for a file that names no output folder; `source` is the parser's line."""
    return Finding(
        code="parser.output-dir",
        severity="warns",
        field="output_dir",
        because=say("`output_dir` is missing: the parser stops unless the command line gives it."),
        fix=say("Add `output_dir`, the folder for checkpoints."),
        source=source,
    )
