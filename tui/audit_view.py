"""An audit on the terminal: what it is, what is wrong by severity, whether it fits, what would be better."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from planner.audit import Audit
from planner.findings import Finding
from planner.language import say, template
from planner.phrases import size
from tui.forecast_view import PARTS
from tui.page import bar, bullets, glyphs, heading, indented, rows, width_of

TITLES = {
    "rejects": template("The engine would refuse it"),
    "fails": template("It would fail later"),
    "ignored": template("Silently ignored"),
    "warns": template("Risks"),
    "notes": template("Good to know"),
}
"""Severity -> title of its section."""
STYLES = {"rejects": "bold red", "fails": "red", "ignored": "yellow", "warns": "yellow", "notes": "cyan"}


def print_audit(audit: Audit, name: str, console: Console) -> None:
    """Print the whole page."""
    console.print(heading(say("Audit of {name}", name=name)))
    console.print(indented(summary(audit)))
    for severity, title in TITLES.items():
        those = [finding for finding in audit.findings if finding.severity == severity]
        if those:
            console.print(heading(f"{say(title)} ({len(those)})"))
            console.print(indented(listed(those, STYLES[severity])))
    if audit.fits is not None:
        console.print(heading(say("Memory and speed")))
        console.print(indented(memory(audit, console)))
        console.print(indented(rows([(say("speed"), speed(audit))])))
    if audit.suggestions:
        console.print(heading(say("What the planner would change")))
        console.print(indented(listed(audit.suggestions, "green")))
    if audit.fits is None:
        console.print(indented(bullets(missing(audit))))


def summary(audit: Audit) -> Table:
    """Return what the config is, and the verdict."""
    return rows(
        (
            (say("engine"), f"{audit.engine}, {audit.script}"),
            (say("stage"), f"{audit.stage}, {audit.method}"),
            (say("model"), audit.model),
            (say("machine"), machine(audit)),
            (say("verdict"), Text(verdict(audit), style="bold")),
        )
    )


def machine(audit: Audit) -> str:
    """Say where it would run."""
    if audit.hardware:
        return say("{hardware}, {number} processes", hardware=audit.hardware, number=audit.processes)
    return say("not named; {number} processes, the fewest that the degrees allow", number=audit.processes)


def verdict(audit: Audit) -> str:
    """Say in one sentence how it stands."""
    severities = {finding.severity for finding in audit.findings}
    if "rejects" in severities:
        return say("The engine refuses this file as it is.")
    if "fails" in severities:
        return say("The engine reads this file, and the run would fail.")
    if "ignored" in severities:
        return say("It runs, and some of it does nothing.")
    return say("It runs as it is.")


def listed(findings: tuple[Finding, ...] | list[Finding], style: str) -> Table:
    """Return findings with their line, key, sentence, fix, rule and source."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(
        justify="right", style="dim", width=width_of([place(one) for one in findings]), no_wrap=True
    )
    grid.add_column(overflow="fold", ratio=1)
    for one in findings:
        said = Text(one.because)
        if one.fix:
            said.append(f" {one.fix}", style="bold")
        said.append(f"\n{one.code}", style=style)
        if one.source:
            said.append(f"  {one.source}", style="dim")
        grid.add_row(place(one), said)
    return grid


def place(finding: Finding) -> str:
    """Return the line of a finding as the page shows it."""
    return say("line {number}", number=finding.line) if finding.line else ""


def memory(audit: Audit, console: Console) -> Table:
    """Return the memory by part against the device, and the speed."""
    assert audit.peak_bytes is not None and audit.limit_bytes is not None
    shapes = glyphs(console)
    whole = max(audit.peak_bytes, audit.limit_bytes)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(width=30, no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    start = 0.0
    for name, part in audit.parts.items():
        if part.bytes:
            end = start + part.bytes / whole
            grid.add_row(said_part(name), bar(start, end, 30, shapes, "cyan"), size(part.bytes))
            start = end
    fits = say("fits") if audit.fits else say("does not fit")
    grid.add_row(
        say("all"), bar(0, start, 30, shapes, "green" if audit.fits else "red"), size(audit.peak_bytes)
    )
    grid.add_row(say("usable"), fits, size(audit.limit_bytes))
    return grid


def speed(audit: Audit) -> str:
    """Say how fast it would be."""
    return say(
        "{low:,.0f} to {high:,.0f} tokens/s over all processes, padding included",
        low=audit.slowest or 0,
        high=audit.fastest or 0,
    )


def said_part(name: str) -> str:
    """Return the word of a part of memory."""
    return say(PARTS[name]) if name in PARTS else name


def missing(audit: Audit) -> list[str]:
    """Say what memory and speed could not be told for."""
    if not audit.hardware:
        return [say("Add --hardware to see whether it fits and how fast it would be.")]
    if audit.stage not in ("sft", "dpo", "kto", "pretrain", "reward"):
        return []
    return [say("Add --model to see whether it fits and how fast it would be.")]
