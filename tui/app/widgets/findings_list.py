"""What is wrong with rows: kinds of findings that open to their rows, and to what can be done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from planner.language import say, template
from planner.phrases import count
from tui.app.keys import Key
from tui.app.widgets.decision_row import CLOSED, OPEN
from tui.app.widgets.ink import ink

if TYPE_CHECKING:
    from runtime.data.findings import Finding
    from runtime.data.scan import Scan

MARKS = {"error": "✗", "warning": "▲", "note": "·"}
INKS = {"error": "text-error", "warning": "text-warning", "note": "foreground-muted"}
SEVERITIES = {"error": template("error"), "warning": template("warning"), "note": template("note")}
ACTIONS = {"row dropped": template("row dropped"), "fixed": template("repaired"), "kept": template("kept")}


class FindingKind(Widget, can_focus=True):
    """All findings of one code."""

    HELP = template(
        "One kind of defect and in how many rows it was found. Enter shows the first rows, what is done "
        "about them, and what you can do."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "enter,space",
            "open",
            template("Rows"),
            id="finding.open",
            tooltip=template("Show the rows of this kind, and what can be done."),
        )
    ]

    @dataclass
    class Opened(Message):
        """The person wants to see a row of this kind."""

        finding: Finding

    def __init__(self, findings: tuple[Finding, ...], total: int) -> None:
        super().__init__()
        self.findings = findings
        self.total = total
        self.opened = False

    def action_open(self) -> None:
        """Show or hide the rows."""
        self.opened = not self.opened
        self.refresh(layout=True)
        if self.opened:
            self.post_message(self.Opened(self.findings[0]))
            self.call_after_refresh(self.scroll_visible, animate=False)

    def on_click(self) -> None:
        """A click opens and closes."""
        self.action_open()

    def render(self) -> RenderableType:
        """Return the kind, and its rows when it is open."""
        kind = self.findings[0].kind
        title = Table.grid(padding=(0, 1))
        title.add_column(no_wrap=True)
        title.add_column(no_wrap=True, style=ink(self, INKS[kind.severity], bold=True))
        title.add_column(overflow="fold", ratio=1)
        words = Text.assemble(
            (f"{count(self.total)} × ", ink(self, "foreground", bold=True)), say(kind.title)
        )
        words.append(f"  → {say(ACTIONS[kind.action])}", ink(self, "text-secondary"))
        severity = f"{MARKS[kind.severity]} {say(SEVERITIES[kind.severity])}"
        title.add_row(OPEN if self.opened else CLOSED, severity, words)
        return Group(title, Padding(Group(*self._rows()), (0, 0, 1, 4))) if self.opened else title

    def _rows(self) -> Iterator[RenderableType]:
        from runtime.data.fixes import FIXES

        yield Text.assemble(
            (f"{say('What to do')}: ", ink(self, "text-accent")), say(FIXES[self.findings[0].code])
        )
        for finding in self.findings:
            yield Text.assemble((f"{place(finding)}  ", ink(self, "text-primary")), finding.what)
        if self.total > len(self.findings):
            more = say("and {more} more", more=count(self.total - len(self.findings)))
            yield Text(more, ink(self, "foreground-muted"))


class FindingsList(Vertical):
    """All kinds of findings, errors first."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Scan | None = None

    def tell(self, words: str) -> None:
        """Say why there are no findings."""
        for line in self.query(Unknown):
            line.words = words
            line.refresh(layout=True)

    def compose(self) -> ComposeResult:
        """Compose one line for each kind."""
        if self.found is None:
            yield Unknown()
            return
        if not self.found.findings:
            yield NoFindings()
        for code, group in groupby(self.found.findings, key=lambda finding: finding.code):
            yield FindingKind(tuple(group), self.found.finding_counts[code])

    async def show(self, found: Scan) -> None:
        """Show what a scan found."""
        self.found = found
        await self.recompose()


class NoFindings(Widget):
    """What stands there when nothing was found."""

    def render(self) -> RenderableType:
        """Return a sentence."""
        return Text(f"✓ {say('Every row can be trained on as it is.')}", ink(self, "text-success", bold=True))


class Unknown(Widget):
    """What stands there until all rows are read."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ""
        """Said instead; empty while rows are being read."""

    def render(self) -> RenderableType:
        """Return a sentence."""
        return Text(self.words or say("All rows are being read."), ink(self, "foreground-muted"))


def place(finding: Finding) -> str:
    """Return where a finding is: file, row, line and field."""
    words = say("{file} row {row}", file=finding.file, row=f"{finding.row:,}")
    if finding.line:
        words += say(" (line {line})", line=f"{finding.line:,}")
    return words + (f", {finding.field}" if finding.field else "")
