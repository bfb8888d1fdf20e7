"""What Home lists: runs above plans, each with its title, and nothing of one that has no rows."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from planner.language import say
from tui.app.home_rows import PlanRow, RunRow
from tui.app.widgets.runs_table import PlansTable, RunsTable


class HomeTables(Vertical):
    """Two tables below each other."""

    def __init__(self) -> None:
        super().__init__(id="tables")

    def compose(self) -> ComposeResult:
        """Yield titles and tables."""
        yield Static(say("Runs"), classes="section", id="runs-title", markup=False)
        yield RunsTable(id="runs")
        yield Static(say("Plans"), classes="section", id="plans-title", markup=False)
        yield PlansTable(id="plans")

    def show(self, runs: list[RunRow], plans: list[PlanRow], width: int, now: float) -> None:
        """Show the rows in tables of this width; nothing while the tables are being built."""
        if not self.query("#plans"):
            return
        for name, any_rows in (("runs", bool(runs)), ("plans", bool(plans))):
            self.query_one(f"#{name}").display = any_rows
            self.query_one(f"#{name}-title").display = any_rows
        self.query_one(RunsTable).show(runs, width, now)
        self.query_one(PlansTable).show(plans, width, now)
