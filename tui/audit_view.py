"""An audit on the terminal: what it is, what is wrong by severity, whether it fits, what would be better."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from planner.audit import TRAINED, Audit
from planner.findings import Finding
from planner.language import join, say, template
from planner.phrases import size
from tui.forecast_view import PARTS, bar_width, said
from tui.forecast_view import STYLES as PART_STYLES
from tui.page import NARROW, bar, bullets, glyphs, heading, indented, rows, width_of

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
    left = missing(audit) if audit.fits is None else []
    if left:
        console.print(indented(bullets(left)))


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
        said.append(join((one.because, one.fix))[len(one.because) :], style="bold")
        said.append(f"\n{one.code}", style=style)
        if one.source:
            said.append(f"  {one.source}", style="dim")
        grid.add_row(place(one), said)
    return grid


def place(finding: Finding) -> str:
    """Return the line of a finding as the page shows it."""
    return say("line {number}", number=finding.line) if finding.line else ""


def memory(audit: Audit, console: Console) -> Table:
    """Return the memory of the fullest process: all of it against what may be used, then part by part."""
    assert audit.peak_bytes is not None and audit.limit_bytes is not None
    shapes, wide, narrow = glyphs(console), bar_width(console), console.width < NARROW
    whole = max(audit.peak_bytes, audit.limit_bytes)
    shown = [(said(PARTS, name), part) for name, part in audit.parts.items() if part.bytes]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", width=width_of([*(name for name, _ in shown), say("all")]), no_wrap=True)
    grid.add_column(width=wide, no_wrap=True)
    grid.add_column(justify="right", width=8, no_wrap=True)
    grid.add_column(style="dim", overflow="fold", ratio=1)
    together = bar(0, audit.peak_bytes / whole, wide, shapes, "bold green" if audit.fits else "bold red")
    grid.add_row(Text(say("all"), style="bold"), together, size(audit.peak_bytes), room(audit, narrow))
    start = 0.0
    for index, (name, part) in enumerate(shown):
        end = start + part.bytes / whole
        piece = bar(start, end, wide, shapes, PART_STYLES[index % len(PART_STYLES)])
        grid.add_row(name, piece, size(part.bytes), "" if narrow else part.because)
        start = end
    return grid


def room(audit: Audit, narrow: bool) -> Text:
    """Say whether it fits, and into what."""
    assert audit.limit_bytes is not None
    word = say("fits") if audit.fits else say("does not fit")
    if narrow:
        return Text(word, style="bold")
    return Text.assemble(
        (word, "bold"), " ", say("({limit} of a device may be used)", limit=size(audit.limit_bytes))
    )


def speed(audit: Audit) -> str:
    """Say how fast it would be."""
    return say(
        "{low:,.0f} to {high:,.0f} tokens/s over all processes, padding included",
        low=audit.slowest or 0,
        high=audit.fastest or 0,
    )


def missing(audit: Audit) -> list[str]:
    """Say what memory and speed could not be told for."""
    if audit.stage not in TRAINED:
        return []
    if not audit.hardware:
        return [say("Add --hardware to see whether it fits and how fast it would be.")]
    if audit.known:
        return [say("Its degrees do not share the work over this machine, so memory and speed are not told.")]
    return [say("Add --model to see whether it fits and how fast it would be.")]
