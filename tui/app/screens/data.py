"""The data as it will be trained on: rows token by token, lengths against max_length, findings, facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from planner.language import say, template
from planner.phrases import count
from planner.plan import Plan
from tui.app import data_jobs
from tui.app.application import the_app
from tui.app.keys import KeyFooter
from tui.app.messages import Cancelled, Refused, Worked, Working
from tui.app.screens.data_keys import DATA_KEYS
from tui.app.widgets.data_facts import DataFactsPart, SectionTitle
from tui.app.widgets.findings_list import FindingKind, FindingsList
from tui.app.widgets.histogram import Histogram
from tui.app.widgets.refusal_block import RefusalBlock
from tui.app.widgets.token_view import TokenView

if TYPE_CHECKING:
    from runtime.data.scan import Scan

ROWS, ALL = "data.rows", "data.all"
"""Jobs of this screen."""


class Scrolling(VerticalScroll, can_focus=False, inherit_bindings=False):
    """Scrolls by the keys of the screen, which knows the part that can be scrolled at a width."""


class DataScreen(Screen[None]):
    """A plan's data, looked at before anything is spent on it."""

    HELP = template(
        "The data as it will be trained on. n and p go from row to row; below stand the lengths, what is "
        "wrong with rows, and what was found."
    )
    AUTO_FOCUS = ""
    CSS_PATH = "data.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(DATA_KEYS)

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.rows: tuple[data_jobs.Row, ...] = ()
        self.index = 0
        self.found: Scan | None = None
        self.refused: Refused | None = None

    def compose(self) -> ComposeResult:
        """Compose the row, then lengths, findings and facts."""
        with Scrolling(id="data-page"):
            with Vertical(id="data-row"):
                yield SectionTitle(template("Row"), id="row-title")
                with Scrolling(id="row-scroll"):
                    yield TokenView()
            with Scrolling(id="data-about"):
                yield SectionTitle(template("Tokens per row"))
                yield Histogram()
                yield SectionTitle(template("Findings"))
                yield FindingsList()
                yield SectionTitle(template("What was found"))
                yield DataFactsPart(self.plan)
        yield RefusalBlock(self.refused, looking=True)
        yield Static("", id="data-status", markup=False)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Read the first rows, then all."""
        self.arrange_focus()
        plan, file = self.plan, the_app(self).desk.file
        the_app(self).work.start(ROWS, self, lambda reporter: data_jobs.read_first_rows(plan, file, reporter))

    async def recompose(self) -> None:
        """Compose anew, in another language: what is known is shown again."""
        await super().recompose()
        self.arrange_focus()
        await self.draw()

    def arrange_focus(self) -> None:
        """Start at the row."""
        self.tell("")
        self.query_one(TokenView).focus(scroll_visible=False)

    # What jobs tell

    def on_working(self, event: Working) -> None:
        """Show how far a job is."""
        share = f" {event.done / event.total:.0%}" if event.total else ""
        self.tell(f"◌ {event.sentence}…{share}  {say('escape cancels')}", "-working")

    def on_cancelled(self, event: Cancelled) -> None:
        """Say that reading was ended."""
        self.tell(say("Cancelled."))
        self.unread()

    def unread(self) -> None:
        """Say where lengths and findings would stand that they will not come."""
        self.query_one(Histogram).tell(say("Not all rows were read."))
        self.query_one(FindingsList).tell(say("Not all rows were read."))

    def on_refused(self, event: Refused) -> None:
        """Show what cannot be read."""
        self.refused = event
        self.query_one(RefusalBlock).show(event)
        self.tell("")
        self.query_one(TokenView).tell(say("The rows cannot be shown."))
        self.unread()

    async def on_worked(self, event: Worked) -> None:
        """Take the first rows, and go on with all of them; or take what a scan found."""
        plan, work, file = self.plan, the_app(self).work, the_app(self).desk.file
        if event.job == ROWS:
            self.rows = event.result
            work.start(ALL, self, lambda reporter: data_jobs.read_everything(plan, file, reporter))
        elif event.job == ALL:
            self.found = event.result
            self.tell("")
        await self.draw()

    async def draw(self) -> None:
        """Show everything that is known."""
        self.show_row()
        found = self.found
        if found is not None:
            limit = data_jobs.number(self.plan, "max_length")
            counted = found.facts.lengths.counted
            longer = found.uncut.longer_than(limit)
            self.query_one(Histogram).show(found.uncut.histogram(), limit, longer, counted=counted)
            await self.query_one(FindingsList).show(found)

    def show_row(self) -> None:
        """Show the row that is looked at."""
        title = self.query_one("#row-title", SectionTitle)
        if not self.rows:
            return
        row = self.rows[self.index]
        known = self.found is not None
        held_out = row.sample.value in self.found.dev_hashes if self.found else None
        title.more = say("{index} of the first {rows}", index=self.index + 1, rows=count(len(self.rows)))
        title.refresh()
        self.query_one(TokenView).show(row, held_out if known else None)

    # Keys

    def action_row(self, by: int) -> None:
        """Show another row."""
        if self.rows:
            self.index = (self.index + by) % len(self.rows)
            self.show_row()
            self.query_one("#row-scroll").scroll_home(animate=False)
            page = self.query_one("#data-page")
            if page.max_scroll_y:  # one column: from the findings below nobody sees the row
                page.scroll_home(animate=False)
                self.query_one(TokenView).focus(scroll_visible=False)

    def action_turn(self, by: int) -> None:
        """Turn a page of the part that has the focus, or of what is around it."""
        part = self.scrolled(by)
        part.scroll_relative(y=by * max(1, part.size.height - 1), animate=False)

    def action_edge(self, by: int) -> None:
        """Go to the end of the part that has the focus, or to its beginning."""
        part = self.scrolled(by)
        (part.scroll_end if by > 0 else part.scroll_home)(animate=False)

    def scrolled(self, by: int) -> Scrolling:
        """Return what around the focus can be scrolled in a direction, the nearest first."""
        for part in (self.focused or self).ancestors:
            if isinstance(part, Scrolling) and part.scroll_offset.y != (part.max_scroll_y if by > 0 else 0):
                return part
        return self.query_one("#data-page", Scrolling)

    def action_borders(self) -> None:
        """Show or hide where tokens begin."""
        view = self.query_one(TokenView)
        view.borders = not view.borders
        view.refresh()

    def action_findings(self) -> None:
        """Go to the first finding."""
        for kind in self.query(FindingKind):
            kind.focus()
            return
        self.query_one(FindingsList).scroll_visible()

    def on_finding_kind_opened(self, event: FindingKind.Opened) -> None:
        """Show the row of a finding, if it is among the first ones."""
        for index, row in enumerate(self.rows):
            if (row.sample.file, row.sample.row) == (event.finding.file, event.finding.row):
                self.index = index
                self.show_row()

    def action_step(self, by: int) -> None:
        """Scroll the row; from any other part go to the next one."""
        scroll = self.query_one("#row-scroll", VerticalScroll)
        at_end = scroll.scroll_offset.y in (scroll.max_scroll_y if by > 0 else 0, None)
        if isinstance(self.focused, TokenView) and not at_end:
            scroll.scroll_relative(y=by, animate=False)
        elif by > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def action_copy(self) -> None:
        """Copy the row's text."""
        if self.rows:
            self.app.copy_to_clipboard("".join(token.text for token in self.rows[self.index].tokens))
            self.tell(f"✓ {say('Copied.')}")

    def action_copy_details(self) -> None:
        """Copy everything that is known about the refusal."""
        if self.refused is not None:
            self.app.copy_to_clipboard(self.query_one(RefusalBlock).text)
            self.tell(f"✓ {say('Copied.')}")

    def action_back(self) -> None:
        """End reading, or leave."""
        work = the_app(self).work
        if ROWS in work.jobs or ALL in work.jobs:
            work.cancel(ROWS)
            work.cancel(ALL)
        else:
            self.dismiss()

    def tell(self, words: str, kind: str = "") -> None:
        """Show one line of what is going on."""
        line = self.query_one("#data-status", Static)
        line.set_classes(kind)
        line.display = bool(words)
        line.update(words)
