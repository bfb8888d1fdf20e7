"""A run, living or ended. The screen shows what the journal says; leaving it changes nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import OptionList, TabbedContent, TabPane

from planner.language import say, template
from runtime.events import AnyEvent
from runtime.run import offer, saving, stopping
from runtime.run.layout import RunFolder
from runtime.run.status import RunState
from runtime.run.utilisation import Utilisation
from runtime.run.view import RunView
from tui.app.application import the_app
from tui.app.keys import KeyFooter
from tui.app.messages import LanguageChanged, Refused, Worked, Working
from tui.app.run_figures import machine_rows, trained_stage, training_rows
from tui.app.run_files import log_first
from tui.app.run_keys import KEYS
from tui.app.run_news import news
from tui.app.runs import RunAdvanced, RunFeed, RunObserved, RunRead, RunUnreadable
from tui.app.widgets.events_pane import EventsPane
from tui.app.widgets.files_pane import FilesPane
from tui.app.widgets.log_pane import LogPane
from tui.app.widgets.loss_curve import LossCurve
from tui.app.widgets.run_figures import RunFigures
from tui.app.widgets.run_head import RunHead
from tui.app.widgets.stage_list import StageList
from tui.app.widgets.trouble import Trouble
from tui.estimate import Expected

if TYPE_CHECKING:
    from planner.plan import Plan

TICK_SECONDS = 0.25
"""Shortest time between two drawings; a training may log far more often."""
IDLE_TICKS = 4
"""Ticks after which the clock is drawn again although nothing happened."""
RESUMABLE = ("created", "failed", "stopped", "paused", "waiting", "lost")
KNOWN_FIRST = ("stop", "pause", "checkpoint", "resume", "plan", "replan", "chat", "report")
"""What needs to know the run's state first."""
TROUBLED = ("failed", "waiting", "lost")
"""States that another plan may help out of."""
TABS = {
    "curve-tab": template("Curve"),
    "log-tab": template("Log"),
    "events-tab": template("Events"),
    "files-tab": template("Files"),
}


class RunScreen(Screen[None]):
    """Stages and figures on the left; curve, log, events and files on the right."""

    HELP = template(
        "A run goes on whether you look at it or not: leave this screen, close the terminal, come back. "
        "Keys 1 to 4 choose curve, log, events and files."
    )
    CSS_PATH = "run.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self.folder = run
        self.view = RunView()
        self.state: RunState = "created"
        self.known = False
        """Whether the journal was read: until then nobody knows what can be done with the run."""
        self.forecast = Expected()
        self.plan: Plan | None = None
        """What the run carries out; None of a plan that cannot be read."""
        self.events: list[AnyEvent] = []
        self.offered = False
        """Whether the run offers a smaller plan."""
        self.use: Utilisation | None = None
        self.chosen = ""
        """The stage whose log a person wants to see; empty for the one under way."""
        self.doing = ""
        """What a job of this screen is doing."""
        self.tab = "curve-tab"
        self._feed: RunFeed | None = None
        self._changed = False
        self._ticks = 0

    # What is on the screen

    def compose(self) -> ComposeResult:
        """Yield head, stages, figures, and the four tabs."""
        yield RunHead()
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield StageList()
                yield RunFigures()
            with Vertical(id="right"):
                yield Trouble()
                with TabbedContent(initial=self.tab, id="tabs"):
                    with TabPane(say(TABS["curve-tab"]), id="curve-tab"):
                        yield LossCurve()
                    with TabPane(say(TABS["log-tab"]), id="log-tab"):
                        yield LogPane()
                    with TabPane(say(TABS["events-tab"]), id="events-tab"):
                        yield EventsPane(self.folder.root)
                    with TabPane(say(TABS["files-tab"]), id="files-tab"):
                        yield FilesPane()
        yield KeyFooter()

    def on_mount(self) -> None:
        """Begin to follow, once the screen is drawn: the reader would only hold it up."""
        self.call_after_refresh(self.follow)
        self.set_interval(TICK_SECONDS, self.tick)

    def follow(self) -> None:
        """Read the journal and what is added to it."""
        if self.is_attached:
            self._feed = the_app(self).runs.follow(self.folder, self)

    def on_unmount(self) -> None:
        """End the reading; the run does not notice."""
        if self._feed is not None:
            self._feed.close()

    def tick(self) -> None:
        """Draw what has changed; the clock once a second."""
        self._ticks += 1
        if self._changed or (self._ticks >= IDLE_TICKS and self.state == "running"):
            self.show()

    def show(self) -> None:
        """Show everything as it is now."""
        if not self.built:
            return
        self._changed, self._ticks = False, 0
        now = self.now()
        view, state = self.view, self.state
        self.query_one(RunHead).show(
            self.folder.name, view, state, self.forecast, now, self.doing or news(view, self.events, state)
        )
        self.query_one(StageList).show(view, now, state)
        self.query_one(RunFigures).show(training_rows(view, self.forecast), machine_rows(self.use))
        trained = trained_stage(view)
        if trained is not None:
            steps = trained.progress.total if trained.progress and trained.progress.unit == "steps" else 0
            self.query_one(LossCurve).show(trained.metrics, steps)
        self._show_log()

    @property
    def built(self) -> bool:
        """Whether every part is there; while the screen is built anew, some are not."""
        return all(self.query(part) for part in (RunHead, StageList, LossCurve, LogPane, FilesPane))

    def now(self) -> float:
        """Return the time."""
        return time.time()

    def _show_log(self) -> None:
        name = self.chosen or log_first(self.view, self.state)
        if name:
            over = self.view.stage(name).state not in ("running", "stopping") or self.state != "running"
            self.query_one(LogPane).follow(self.folder.stage(name), over=over)

    # What the journal says

    @on(RunRead)
    def read(self, message: RunRead) -> None:
        """Take over what was read from the start."""
        self.view = message.view
        self.events = [event for event in message.events if event.kind not in ("progress", "metric")]
        self.forecast, self.plan, self.known = message.forecast, message.plan, True
        self._change_state(message.state)
        if self.built:
            self.query_one(EventsPane).show(self.events)
        self._show_all()

    @on(LanguageChanged)
    def speak(self) -> None:
        """Say everything again once the parts are there."""
        self.call_after_refresh(self._say_again)

    def _say_again(self) -> None:
        if not self.built:
            self.call_after_refresh(self._say_again)
            return
        self.query_one(EventsPane).show(self.events)
        self._show_all()

    @on(RunAdvanced)
    def advanced(self, message: RunAdvanced) -> None:
        """Take more events into account."""
        for event in message.events:
            self.view.apply(event)
        self.events += [event for event in message.events if event.kind not in ("progress", "metric")]
        self._change_state(message.state)
        self._changed = True
        if self.built:
            self.query_one(EventsPane).add(message.events)
        if not message.events or any(
            event.kind in ("state", "artifact", "error") for event in message.events
        ):
            self._show_all()

    @on(RunObserved)
    def observed(self, message: RunObserved) -> None:
        """Show what the machine does."""
        self.use = message.use
        if self.built:
            self.query_one(RunFigures).show(training_rows(self.view, self.forecast), machine_rows(self.use))

    @on(RunUnreadable)
    def unreadable(self, message: RunUnreadable) -> None:
        """Say why nothing is shown."""
        self.query_one(Trouble).show_error(message.error)

    def _change_state(self, state: RunState) -> None:
        if state != self.state:
            self.state = state
            self.offered = state in ("failed", "waiting") and offer.load(self.folder) is not None
            if state == "running":
                self.chosen = ""
            self.use = self.use if state == "running" else None
        self.refresh_bindings()

    def _show_all(self) -> None:
        if not self.built:
            return
        self.query_one(Trouble).show(self.view, self.state, plan_again=self.plan is not None)
        self._show_files()
        self.show()

    def _show_files(self) -> None:
        if self.tab == "files-tab":  # it asks the disk
            self.query_one(FilesPane).show(self.folder, self.view)

    # What a person asks for

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show the keys of a living run or of an ended one; dim what is not possible yet."""
        running = self.state == "running"
        if not self.known and action in KNOWN_FIRST:
            return False
        if action in ("stop", "pause"):
            return running
        if action == "checkpoint":
            current = self.view.current()
            return (True if current and current.name == saving.SAVES else None) if running else False
        if action == "resume":
            return self.state in RESUMABLE
        if action == "accept":
            return self.state in ("failed", "waiting") and self.offered
        if action == "copy_details":
            return bool(self.query(Trouble)) and self.query_one(Trouble).display
        if action == "plan":
            return not running and self.plan is not None
        if action == "replan":
            return self.state in TROUBLED and self.plan is not None
        if action in ("chat", "report"):
            if running:
                return False
            wanted = "merge" if action == "chat" else "report"
            return True if self.view.stages.get(wanted) and self.view.stages[wanted].proven else None
        return True

    def action_back(self) -> None:
        """Leave; the run goes on."""
        self.dismiss()

    def action_tab(self, tab: str) -> None:
        """Show another tab."""
        self.query_one(TabbedContent).active = tab

    def action_search(self) -> None:
        """Search the log."""
        the_app(self).type_ahead.expect()
        self.action_tab("log-tab")
        self.call_after_refresh(self.query_one(LogPane).action_search)

    def action_copy_details(self) -> None:
        """Copy the error."""
        details = self.query_one(Trouble).details
        if details:
            self.app.copy_to_clipboard(details)
            self.notify(say("Copied."))

    def action_chat(self) -> None:
        """Talk to the result."""
        the_app(self).open_chat(self.folder)

    def action_report(self) -> None:
        """Show planned and measured."""
        the_app(self).open_report(self.folder)

    def action_plan(self) -> None:
        """Show what the run was told to do."""
        if self.plan is not None:
            the_app(self).open_plan(self.plan, self.folder.plan)

    def action_replan(self) -> None:
        """Change an answer behind the run, for a new one."""
        if self.plan is not None:
            the_app(self).open_conversation(self.plan)

    def action_stop(self) -> None:
        """Stop gracefully; asked again, ask whether to end it at once."""
        if stopping.requests(self.folder) and not stopping.is_pause(self.folder):
            self._ask_to_end()
            return
        stopping.request(self.folder)
        self.notify(
            say("Stopping gracefully: training saves a checkpoint first. Press s again to end it at once.")
        )

    def _ask_to_end(self) -> None:
        from tui.app.screens.confirm import ConfirmScreen

        def end(sure: bool | None) -> None:
            if sure and self.state == "running":
                stopping.request(self.folder)

        question = ConfirmScreen(
            say("End it at once?"),
            say(
                "What was trained since the last checkpoint is lost and will be trained again. "
                "It is already stopping by itself."
            ),
            say("End it now"),
            say("Let it save"),
        )
        self.app.push_screen(question, end)

    def action_pause(self) -> None:
        """Save, end every process, remember."""
        stopping.pause(self.folder)
        self.notify(say("Pausing: what is under way is saved, then the machine is free. Continue with g."))

    def action_checkpoint(self) -> None:
        """Save now and go on."""
        the_app(self).work.start(
            self._job("checkpoint"), self, lambda _: saving.request_checkpoint(self.folder)
        )

    def action_resume(self) -> None:
        """Continue."""
        from tui.app.resuming import resume

        the_app(self).work.start(self._job("resume"), self, lambda reporter: resume(self.folder, reporter))

    def action_accept(self) -> None:
        """Go on with the smaller plan that the run offers."""
        from tui.app.resuming import resume

        the_app(self).work.start(
            self._job("accept"), self, lambda reporter: resume(self.folder, reporter, accept=True)
        )

    def _job(self, what: str) -> str:
        return f"{what} {self.folder.root}"

    @on(Working)
    def working(self, message: Working) -> None:
        """Say what is being done."""
        self.doing = message.sentence
        self.show()

    @on(Worked)
    def worked(self, message: Worked) -> None:
        """Go on."""
        self.doing = ""
        if message.job == self._job("checkpoint"):
            self.notify(say("A checkpoint is saved after this step."))

    @on(Refused)
    def refused(self, message: Refused) -> None:
        """Say why not."""
        self.doing = ""
        self.query_one(Trouble).show_error(message.error)

    @on(OptionList.OptionSelected, "#stages")
    def choose_stage(self, event: OptionList.OptionSelected) -> None:
        """Show the log of that stage."""
        self.chosen = event.option_id or ""
        self._show_log()
        self.action_tab("log-tab")

    @on(TabbedContent.TabActivated)
    def remember_tab(self, event: TabbedContent.TabActivated) -> None:
        """Keep the tab when the screen is built anew."""
        self.tab = event.pane.id or self.tab
        self._show_files()
