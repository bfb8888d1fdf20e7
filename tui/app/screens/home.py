"""Home: the runs and the plans that there are, and how to begin. It refreshes itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import DataTable, OptionList, Static
from textual.widgets.option_list import Option

from planner.language import say, template
from tui.app.application import the_app
from tui.app.keys import Key, KeyFooter
from tui.app.messages import Cancelled, Refused, Worked, Working

if TYPE_CHECKING:
    from tui.app.home_rows import HomeRows, PlanRow, RunRow
    from tui.app.widgets.home_tables import HomeTables
    from tui.app.widgets.runs_table import RowsTable
    from tui.app.work import Reporter

REFRESH_SECONDS = 2.0
RESUMABLE = ("created", "failed", "stopped", "paused", "waiting", "lost")


class HomeScreen(Screen[None]):
    """Runs above plans; for a first-time user, three ways to begin."""

    HELP = template("Home: your runs and plans. n makes a new plan, d shows a whole small fine-tune.")
    CSS_PATH = "home.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "n",
            "new",
            template("New plan"),
            id="home.new",
            tooltip=template("Answer a few questions and get a plan."),
        ),
        Key(
            "o",
            "open",
            template("Open"),
            id="home.open",
            tooltip=template("Open a plan file or a run folder."),
        ),
        Key(
            "d",
            "demo",
            template("Demo"),
            id="home.demo",
            tooltip=template("Plan a small fine-tune with bundled data on this machine."),
        ),
        Key(
            "g",
            "resume",
            template("Continue"),
            id="home.resume",
            tooltip=template("Continue the run under the cursor from its last proven point."),
        ),
        Key(
            "a",
            "answers",
            template("Answers"),
            id="home.answers",
            tooltip=template("Go on with the answers behind the plan under the cursor."),
        ),
        Key(
            "escape",
            "cancel",
            template("Cancel"),
            id="home.cancel",
            show=False,
            tooltip=template("Give up what is being worked out."),
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[RunRow] = []
        self.plans: list[PlanRow] = []
        self.looked = False
        """Whether runs and plans have been read once."""
        self.doing = ""
        self._rows: HomeRows | None = None
        self._painted = False

    def compose(self) -> ComposeResult:
        """Yield the head, the welcome, the tables once there is something in them, and what is being done."""
        with Vertical(id="home-head"):
            yield Static("⎈ Steersman", classes="title", markup=False)
            yield Static(
                say("Fine-tunes of language models on PaddlePaddle: planned, run and proven."),
                classes="muted",
                markup=False,
            )
        with Vertical(id="welcome"):
            yield Static(say("Nothing here yet. How do you want to begin?"), markup=False)
            yield Ways()
        if self.runs or self.plans:
            yield self._tables()
        yield Static(id="home-news", markup=False)
        yield KeyFooter()

    def _tables(self) -> Widget:
        """Return the tables. They need what reads runs and plans, so the first paint goes without."""
        from tui.app.widgets.home_tables import HomeTables

        return HomeTables()

    def on_mount(self) -> None:
        """Show how to begin where nothing can be listed; read as soon as this is on the screen."""
        self.looked = self.looked or nothing_kept()
        self.set_interval(REFRESH_SECONDS, self.look)
        self.show()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self._painted = True
        self.look()

    def on_screen_resume(self) -> None:
        """Read at once when this screen is seen again."""
        if self._painted:
            self.look()

    def on_resize(self) -> None:
        """Use the new width."""
        self.show()

    def look(self) -> None:
        """Read runs and plans in the background, while somebody looks."""
        if self.is_current and "home" not in the_app(self).work.jobs:
            the_app(self).work.start("home", self, self._read)

    def _read(self, reporter: Reporter) -> tuple[list[RunRow], list[PlanRow]]:
        import tui.app.widgets.home_tables  # noqa: F401 - here nobody waits for it
        from tui.app.home_rows import HomeRows

        self._rows = self._rows or HomeRows()
        return self._rows.runs(), self._rows.plans()

    def show(self) -> None:
        """Show what is known."""
        if not self.query("#home-news"):
            return
        empty = self.looked and not self.runs and not self.plans
        self.query_one("#welcome").display = empty
        for tables in self.query("#tables"):
            tables.display = not empty
            cast("HomeTables", tables).show(self.runs, self.plans, self.size.width - 4, self.now())
        news = self.query_one("#home-news", Static)
        news.display = bool(self.doing)
        news.update(self.doing)
        if self.looked and (self.focused is None or not self.focused.is_on_screen):
            self.call_after_refresh(self._focus_first)

    def now(self) -> float:
        """Return the time."""
        return time.time()

    def _focus_first(self) -> None:
        """Let the keyboard work at once, on what there is."""
        if self.focused is None or not self.focused.is_on_screen:
            empty = not self.runs and not self.plans
            for first in self.query("#ways" if empty else "#runs" if self.runs else "#plans"):
                first.focus()

    # What a person asks for

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dim what the row under the cursor does not allow."""
        if action == "resume":
            row = self._run()
            return True if row is not None and row.state in RESUMABLE else None
        if action == "answers":
            return self._plan() is not None
        if action == "cancel":
            return bool(self.doing)
        return True

    def _run(self) -> RunRow | None:
        """Return the run under the cursor, if the runs have the focus."""
        chosen = self._chosen("runs")
        return next((row for row in self.runs if str(row.run.root) == chosen), None)

    def _plan(self) -> PlanRow | None:
        chosen = self._chosen("plans")
        return next((row for row in self.plans if str(row.path) == chosen), None)

    def _chosen(self, table: str) -> str:
        """Return the key of the row under the cursor, if this table has the focus; else nothing."""
        focused = self.focused
        return cast("RowsTable", focused).chosen if focused is not None and focused.id == table else ""

    def action_new(self) -> None:
        """Ask."""
        the_app(self).open_conversation()

    def action_open(self) -> None:
        """Ask for a path."""
        from tui.app.screens.open_path import OpenPathScreen

        def opened(text: str | None) -> None:
            if text:
                self.open_named(text)

        the_app(self).type_ahead.expect()
        self.app.push_screen(OpenPathScreen(the_app(self).folder), opened)

    def open_named(self, text: str) -> None:
        """Open a plan file, a run folder, or a run by its name."""
        self._open(text, the_app(self).folder)

    def _open(self, text: str, folder: Path, job: str = "open") -> None:
        from tui.app.opening import read

        app = the_app(self)
        app.work.start(job, self, lambda _: read(text, folder, app.notify))

    def action_demo(self) -> None:
        """Plan the demo."""
        from tui.app.demo_plan import demo_plan

        self._say(say("Planning the demo"))
        the_app(self).work.start("demo", self, demo_plan)

    def action_resume(self) -> None:
        """Continue the run under the cursor."""
        from tui.app.resuming import resume

        row = self._run()
        if row is not None:
            the_app(self).work.start("resume", self, lambda reporter: resume(row.run, reporter))

    def action_answers(self) -> None:
        """Go on with the answers behind the plan under the cursor."""
        row = self._plan()
        if row is not None:
            self._open(str(row.path), row.path.parent, "answers")

    def action_cancel(self) -> None:
        """Give up what is being worked out."""
        for job in ("demo", "open", "answers", "resume"):
            the_app(self).work.cancel(job)
        self._say("")

    def _say(self, sentence: str) -> None:
        self.doing = sentence
        self.show()
        self.refresh_bindings()

    @on(DataTable.RowSelected, "#runs")
    def open_run(self, event: DataTable.RowSelected) -> None:
        """Look at a run."""
        row = next((row for row in self.runs if str(row.run.root) == event.row_key.value), None)
        if row is not None:
            the_app(self).open_run(row.run)

    @on(DataTable.RowSelected, "#plans")
    def open_plan(self, event: DataTable.RowSelected) -> None:
        """Show a plan."""
        self._say(say("Reading the plan"))
        self._open(str(event.row_key.value), Path("/"))

    @on(DataTable.RowHighlighted)
    def moved(self) -> None:
        """Another row allows other keys."""
        self.refresh_bindings()

    @on(OptionList.OptionSelected, "#ways")
    async def begin(self, event: OptionList.OptionSelected) -> None:
        """Begin as the person chose."""
        await self.run_action(str(event.option_id))

    # What the work brings

    @on(Working)
    def working(self, message: Working) -> None:
        """Say what is being done; reading the tables is not worth a word."""
        if message.job != "home":
            self._say(message.sentence)

    @on(Worked)
    async def worked(self, message: Worked) -> None:
        """Show or open what came of it."""
        if message.job == "home":
            self.runs, self.plans = message.result
            self.looked = True
            if (self.runs or self.plans) and not self.query("#tables"):
                await self.mount(self._tables(), before="#home-news")
            self.show()
            self.refresh_bindings()
            return
        self._say("")
        self._arrive(message.job, message.result)

    def _arrive(self, job: str, result: Any) -> None:
        from runtime.run.layout import RunFolder

        app = the_app(self)
        if isinstance(result, RunFolder):
            app.open_run(result)
        elif job == "demo":
            app.open_plan(result)
        elif job == "answers":
            app.open_conversation(result[0])
        else:
            app.open_plan(*result)

    @on(Refused)
    def refused(self, message: Refused) -> None:
        """Say why not, in one place until the next thing is done."""
        if message.job != "home":
            self._say("✗ " + message.error.sentence())

    @on(Cancelled)
    def cancelled(self, message: Cancelled) -> None:
        """Say nothing more."""
        if message.job != "home":
            self._say("")


def nothing_kept() -> bool:
    """Return whether there is surely neither a run nor a plan; two folders are asked, nothing is read."""
    from runtime import paths, recent_plans

    runs = paths.runs_folder()
    return not recent_plans.file().exists() and not (runs.is_dir() and any(runs.iterdir()))


class Ways(OptionList):
    """Three ways to begin."""

    HELP = template("Three ways to begin; enter takes the one under the cursor.")

    def __init__(self) -> None:
        super().__init__(*ways(), id="ways", markup=False)


def ways() -> list[Option | None]:
    """Return the ways to begin, each with its key."""
    texts = (
        (
            "new",
            "n",
            say("Make a plan"),
            say("Answer a few questions about model, data and goal. What can be found out is not asked."),
        ),
        (
            "demo",
            "d",
            say("See a demo"),
            say("A small model learns from bundled data on this machine, in about ten minutes."),
        ),
        (
            "open",
            "o",
            say("Open a plan or a run"),
            say("A plan file from a colleague, or a run in another folder."),
        ),
    )
    options: list[Option | None] = []
    for action, key, title, sentence in texts:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=1)
        grid.add_column(overflow="fold", ratio=1)
        grid.add_row(Text(key, "bold"), Text(title, "bold"))
        grid.add_row("", Text(sentence, "dim"))
        options += [Option(grid, id=action), None]
    return options[:-1]
