"""What was planned and what happened: the report of a run, as far as the run has come."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from rich.console import RenderableType
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.events import Resize
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from planner.language import say, template
from runtime.events import Metric
from runtime.run.layout import RunFolder
from tui.app import report_tables
from tui.app.application import the_app
from tui.app.keys import Key, KeyFooter
from tui.app.messages import LanguageChanged, Refused, Worked
from tui.app.widgets.copy_list import CopyList
from tui.app.widgets.ink import ink
from tui.app.widgets.loss_curve import LossCurve
from tui.app.widgets.refusal_block import RefusalBlock

BAR_WIDTH = 90
"""Cells of a column from which on there is room for bars."""

TILES_WIDTH = 84
"""Cells of a column from which on four figures stand in a row."""

SIDE_BY_SIDE_WIDTH = 60
"""Cells of a column from which on two answers stand side by side."""


class Sheet(VerticalScroll):
    """Scrolls through the report."""

    HELP = template(
        "The report of the run: figures, curve, forecast against measurement, answers before and after, "
        "proofs, next steps and files. Tab moves to the lists, whose entries enter copies."
    )


class Section(Vertical):
    """A titled part of the report."""

    def __init__(self, title: str, *parts: Widget, id: str) -> None:  # noqa: A002 - Textual's word
        super().__init__(*parts, id=id, classes="section")
        self.border_title = title


class ReportScreen(Screen[None]):
    """Two columns of sections; one in narrow terminals."""

    HELP = template("What was planned and what happened, and what can be done with the result.")
    CSS_PATH = "report.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "escape",
            "dismiss",
            template("Back"),
            id="report.back",
            tooltip=template("Go back to where you came from."),
        ),
        Key(
            "t",
            "talk",
            template("Talk to it"),
            id="report.talk",
            tooltip=template("Ask the base and the tuned model the same, side by side."),
        ),
        Key(
            "o",
            "open_page",
            template("Open as page"),
            id="report.page",
            tooltip=template("Open report.html of the run in a browser; its path is copied, too."),
        ),
        Key(
            "y",
            "copy_details",
            template("Copy details"),
            id="report.details",
            tooltip=template("Copy everything that is known about the refusal."),
            show=False,
        ),
    ]

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self.folder = run
        self.report: dict[str, Any] = {}
        self.metrics: list[Metric] = []
        self.refused: Refused | None = None

    def compose(self) -> ComposeResult:
        """Yield the head and, once it is read, the report."""
        yield Static(id="report-head", markup=False)
        yield RefusalBlock(self.refused, looking=True)
        with Sheet(id="sheet"):
            if self.report:
                with Vertical(id="columns"):
                    yield from self.columns()
            else:
                yield Static(say("Reading the journal of the run."), classes="muted", markup=False)
        yield KeyFooter()

    def columns(self) -> ComposeResult:
        """Yield both columns."""
        report = self.report
        table, hint = Static(id="figures", markup=False), Static(id="hint", classes="muted", markup=False)
        with Vertical(classes="column"):
            yield Static(report["summary"], id="summary", markup=False)
            yield Static(id="tiles", markup=False)
            if self.metrics:
                yield Section(say("Course of the training"), LossCurve(), id="course")
            yield Section(say("Before and after"), Static(id="answers", markup=False), id="samples")
        with Vertical(classes="column"):
            yield Section(say("Planned and measured"), table, hint, id="planned")
            yield Section(say("Next"), CopyList(report["next"], sign="$ "), id="next")
            yield Section(say("Files"), CopyList(list(report["files"].items())), id="files")
            yield Section(say("Proofs"), Static(id="proof-list", markup=False), id="proofs")

    def on_mount(self) -> None:
        """Read the run."""
        self.read()

    def read(self) -> None:
        """Read the run in the background, in the language of the moment."""
        folder = self.folder
        the_app(self).work.start("report", self, lambda reporter: read(folder))

    @on(Worked)
    async def show_report(self, event: Worked) -> None:
        """Show what was read, or what was written."""
        if event.job == "report":
            self.report, self.metrics = event.result
            self.refused = None
            await self.recompose()
            self.call_after_refresh(self.show)
            self.query_one(Sheet).focus()
        elif event.job == "report.page":
            self.app.copy_to_clipboard(str(event.result))
            self.app.open_url(event.result.as_uri())
            self.notify(say("Opened and copied: {path}", path=event.result), markup=False)

    @on(Refused)
    def refuse(self, event: Refused) -> None:
        """Say why there is nothing to show."""
        self.refused = event
        self.query_one(RefusalBlock).show(event)

    def action_copy_details(self) -> None:
        """Copy everything that is known about the refusal."""
        if self.refused is not None:
            self.app.copy_to_clipboard(self.query_one(RefusalBlock).text)
            self.notify(say("Copied."))

    @on(LanguageChanged)
    def say_again(self) -> None:
        """Read it again in the new language."""
        self.read()

    def on_resize(self, event: Resize) -> None:
        """Fill the new width."""
        self.call_after_refresh(self.show)

    def show(self) -> None:
        """Fill every part for the width that it has."""
        if not self.report or not self.query("#figures"):
            return
        report = self.report
        self.query_one("#report-head", Static).update(
            f"{say('Report')} · {report['name']}\n{report['summary']}"
        )
        width = self.query_one("#planned").content_size.width

        def inked(meaning: str) -> Any:
            return ink(self, meaning)

        bars = width >= BAR_WIDTH
        parts: dict[str, RenderableType] = {
            "#tiles": report_tables.tile_grid(report, inked, 4 if width >= TILES_WIDTH else 2),
            "#figures": report_tables.comparison_table(report, inked, bars=bars),
            "#hint": report_tables.scale_hint(bars=bars),
            "#proof-list": report_tables.proof_list(report, inked),
            "#answers": report_tables.answers(report, inked, side_by_side=width >= SIDE_BY_SIDE_WIDTH),
        }
        for name, part in parts.items():
            self.query_one(name, Static).update(part)
        for curve in self.query(LossCurve):
            curve.show(self.metrics)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dim what cannot be done yet: there is nobody to talk to before the merge is proven."""
        if action == "talk":
            proven = any(proof["stage"] == "merge" for proof in self.report.get("proofs", ()))
            return True if proven else None
        if action == "open_page":
            return True if self.report else None
        return action != "copy_details" or self.refused is not None

    def action_talk(self) -> None:
        """Talk to the models."""
        the_app(self).open_chat(self.folder)

    def action_open_page(self) -> None:
        """Open the page; one that is missing or in another language is written first."""
        folder, report = self.folder, self.report
        the_app(self).work.start("report.page", self, lambda reporter: page(folder, report))


def read(folder: RunFolder) -> tuple[dict[str, Any], list[Metric]]:
    """Return the report of a run and the metrics of its training. BadInput when they cannot be read."""
    from planner.planfile import loads
    from runtime.run import journal
    from runtime.run.view import fold
    from runtime.stages.report_content import content

    plan = loads(folder.plan.read_text(encoding="utf-8"), str(folder.plan))
    view = fold(journal.read(folder.journal), plan.stages)
    return content(folder, plan, view), view.stage("train").metrics


def page(folder: RunFolder, report: dict[str, Any]) -> Path:
    """Return the path of report.html; written when it is missing, beside it in another language."""
    from planner.planfile import loads
    from runtime.paths import write_atomically
    from runtime.stages.report import PAGE_NAME
    from runtime.stages.report_html import document

    plan = loads(folder.plan.read_text(encoding="utf-8"), str(folder.plan))
    path = folder.root / PAGE_NAME
    if report["language"] != plan.wishes.language:
        path = path.with_name(f"report-{report['language']}.html")
    if not path.exists():
        write_atomically(path, document(report))
    return path
