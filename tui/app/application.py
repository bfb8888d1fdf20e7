"""The app itself: which screens there are, what is shared between them, and keys that work everywhere."""

from __future__ import annotations

import importlib
import time
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import App
from textual.await_complete import AwaitComplete
from textual.binding import BindingType
from textual.dom import DOMNode
from textual.events import Event, InputEvent, Resize
from textual.message_pump import MessagePump
from textual.screen import Screen

from planner.language import current, join, say, template, use_everywhere
from tui.app import leaving, preferences
from tui.app.desk import Desk
from tui.app.keys import Key
from tui.app.messages import LanguageChanged
from tui.app.pauses import REST_SECONDS, Collector, collect_seldom, keep_what_is_loaded
from tui.app.restyling import few_nodes, restyle
from tui.app.sheets import Sheets
from tui.app.shield import shield
from tui.app.themes import LOOKS, OWN_VARIABLES, THEMES, first_look
from tui.app.tuning import tune
from tui.app.type_ahead import TypeAhead
from tui.app.work import Work
from tui.control_codes import forbid_control_codes
from tui.line_breaks import break_between_characters

if TYPE_CHECKING:
    from planner.plan import Plan
    from runtime.run.layout import RunFolder
    from tui.app.runs import Runs

MOST_FAILURES = 5
"""Unforeseen errors after which the app gives up: it would only fail again at every repaint."""

READING_SECONDS = 0.3
"""After the first paint the planner is loaded: not at once, the terminal is still being drawn."""
SCREENS = ("conversation", "run", "plan", "data", "report", "chat")
"""Screens in the order in which they are likely to be wanted."""


class SteersmanApp(App[int]):
    """A conversation that ends in a finished fine-tune."""

    TITLE = "Steersman"
    CSS_PATH = ["steersman.tcss", "screens/home.tcss"]  # noqa: RUF012 - of the first screen Textual reads none
    COMMAND_PALETTE_BINDING = "ctrl+k"  # our own binding, with words that are translated, is below
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-narrow"),
        (100, "-normal"),
        (150, "-wide"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Key(
            "f1",
            "help",
            template("Help"),
            id="app.help",
            tooltip=template("What has the focus, and every key that works now."),
        ),
        Key(
            "ctrl+p",
            "command_palette",
            template("Commands"),
            id="app.commands",
            tooltip=template("Find any command or screen by a few letters."),
        ),
        Key(
            "ctrl+q",
            "quit",
            template("Quit"),
            id="app.quit",
            tooltip=template("Leave the app. Runs go on; answers are kept."),
            show=False,
        ),
        Key(
            "ctrl+c",
            "interrupt",
            template("Quit"),
            id="app.interrupt",
            tooltip=template("Leave the app; pressed twice."),
            show=False,
        ),
    ]

    def __init__(self, *, folder: Path | None = None) -> None:
        """`folder` is where data files are looked for: by default the current one."""
        super().__init__()
        self.stylesheet = Sheets(variables=self.stylesheet._variables)
        self.folder = folder or Path.cwd()
        self.work = Work(self)
        self.desk = Desk()
        self.collector = Collector()
        self.type_ahead = TypeAhead(self, super().on_event)
        self.failures = 0
        self._leaving_since = 0.0
        shield(MessagePump)
        tune()
        break_between_characters()
        forbid_control_codes()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = LOOKS["dark"].theme

    def on_mount(self) -> None:
        """Wear the remembered theme before the first paint, or what the terminal can show."""
        collect_seldom()
        shows = "truecolor" if self.is_headless else self.console.color_system
        self.theme = LOOKS[first_look(shows, preferences.load().theme)].theme

    def on_ready(self) -> None:
        """Load the planner while the first screen is read, so that the conversation opens at once."""
        if not self.is_headless:
            load = partial(self.run_worker, _load_planner, group="loading", thread=True, exit_on_error=False)
            self.set_timer(READING_SECONDS, load)
            self.set_interval(REST_SECONDS / 3, self.collector.look)

    @cached_property
    def runs(self) -> Runs:
        """Readers of runs and logs; imported with the first that is looked at."""
        from tui.app.runs import Runs

        return Runs()

    @property
    def stays_up(self) -> bool:
        """Whether an unforeseen error is shown and survived; in tests it is raised."""
        return not self.is_headless

    def get_default_screen(self) -> Screen[Any]:
        """Return Home, the first that a person sees."""
        from tui.app.screens.home import HomeScreen

        return HomeScreen()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return our own colours for themes that do not name them."""
        return OWN_VARIABLES

    async def on_event(self, event: Event) -> None:
        """Take an event, but a key only once there is something for it."""
        if isinstance(event, InputEvent):
            self.collector.touched()
        elif isinstance(event, Resize) and self.screen_stack:
            self.screen.update_classes(self._width_classes(event.size.width), animate=False)
        if not self.type_ahead.takes(event):
            await super().on_event(event)

    # Screens

    def _show(self, screen: Screen[Any]) -> None:
        """Show a screen that knows how wide it is: told by Textual, it would be laid out once more."""
        screen.update_classes(self._width_classes(self.size.width), update=False)
        self.push_screen(screen)

    def _width_classes(self, width: int) -> dict[str, bool]:
        """Return which classes a screen has at a width."""
        fits = max(least for least, _ in self.HORIZONTAL_BREAKPOINTS if width >= least)
        return {name: least == fits for least, name in self.HORIZONTAL_BREAKPOINTS}

    def pop_screen(self) -> AwaitComplete:
        """Close the screen on top."""
        self.collector.left()
        return super().pop_screen()

    def go_home(self) -> None:
        """Close every screen but Home."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def open_conversation(self, plan: Plan | None = None) -> None:
        """Ask for a new plan, or go on with the answers behind one."""
        from tui.app.screens.conversation import ConversationScreen

        self.type_ahead.expect()
        self._show(ConversationScreen(plan))

    def open_plan(self, plan: Plan, file: Path | None = None) -> None:
        """Show a whole plan; `file` is where it is saved, if it is."""
        from tui.app.screens.plan import PlanScreen

        self.desk.put(plan, file)
        self._show(PlanScreen(plan, file))

    def open_data(self, plan: Plan) -> None:
        """Show the data of a plan as it will be trained on."""
        from tui.app.screens.data import DataScreen

        self._show(DataScreen(plan))

    def open_run(self, run: RunFolder) -> None:
        """Show a run, living or ended: the journal is the truth."""
        from tui.app.screens.run import RunScreen

        self.desk.run = run
        self._show(RunScreen(run))

    def open_chat(self, run: RunFolder) -> None:
        """Talk to the base and the tuned model of a run."""
        from tui.app.screens.chat import ChatScreen

        self.type_ahead.expect()
        self.desk.run = run
        self._show(ChatScreen(run))

    def open_report(self, run: RunFolder) -> None:
        """Show what was planned and what happened."""
        from tui.app.screens.report import ReportScreen

        self.desk.run = run
        self._show(ReportScreen(run))

    # Everywhere

    def speak(self, language: str) -> None:
        """Speak another language, on every screen at once, and at the next start."""
        if language != current():
            use_everywhere(language)
            preferences.remember(language=language)
            for screen in self.screen_stack:
                screen.post_message(LanguageChanged(language))
                screen.refresh(recompose=True)

    def look(self, name: str) -> None:
        """Wear a theme (a key of `LOOKS`), now and at the next start."""
        self.theme = LOOKS[name].theme
        preferences.remember(theme=name)

    def refresh_css(self, animate: bool = True) -> None:
        """Style everything anew, in steps where there is much."""
        if few_nodes(self):
            super().refresh_css(animate)
            return
        self.stylesheet.set_variables(self.get_css_variables())
        self.stylesheet.reparse()
        self.run_worker(restyle(self), group="restyling", exclusive=True)

    def slash(self, text: str) -> None:
        """Do what a slash command says; a wrong one is answered in a sentence."""
        from planner.errors import SteersmanError
        from tui.app.slash.table import obey

        try:
            obey(self, text)
        except SteersmanError as error:
            self.notify(error.sentence(), severity="warning", markup=False)

    def begin_slash(self, text: str) -> None:
        """Put a slash command into the prompt of the conversation, for its argument to be typed."""
        from tui.app.slash.command import conversation, has_conversation
        from tui.app.slash.table import commands

        alone = commands()[text.removeprefix("/")].alone
        if alone is not None and not has_conversation(self):
            alone(self)
        else:
            conversation(self).begin_line(f"{text} ")

    def action_help(self) -> None:
        """Explain what has the focus."""
        from tui.app.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def action_command_palette(self) -> None:
        """Find any command by a few letters."""
        from textual.command import CommandPalette

        from tui.app.commands import SteersmanCommands

        if not CommandPalette.is_open(cast(Any, self)):
            self.push_screen(CommandPalette(providers=[SteersmanCommands], placeholder=say("Find a command")))

    # Leaving

    def leave(self) -> None:
        """Leave, or say first what goes on without the app."""
        runs = leaving.living_runs()
        if self.work.jobs or runs:
            names = ", ".join(run.name for run in runs)
            goes_on = say("{names} goes on in the background.", names=names) if runs else ""
            ends = say("What is being worked out here ends.") if self.work.jobs else ""
            self.leave_if_asked_again(join((goes_on, ends)))
        else:
            self.exit(0)

    def leave_if_asked_again(self, why: str) -> None:
        """Leave at the second press within a few seconds."""
        now = time.monotonic()
        if now - self._leaving_since < leaving.PATIENCE_SECONDS:
            self.exit(0)
            return
        self._leaving_since = now
        self.notify(
            join((why, say("Press it again to leave."))), timeout=leaving.PATIENCE_SECONDS, markup=False
        )

    async def action_quit(self) -> None:
        """Leave; runs go on."""
        self.leave()

    def action_interrupt(self) -> None:
        """Leave by Ctrl-C, which is pressed by habit: twice."""
        self.leave_if_asked_again(say("Your answers are kept."))

    # Unforeseen errors

    def _handle_exception(self, error: Exception) -> None:
        if not self.stays_up or not self.show_unforeseen(error):
            super()._handle_exception(error)

    def show_unforeseen(self, error: Exception) -> bool:
        """Say in one sentence what went wrong, then build the screen anew; return False to give up."""
        from tui.app.unforeseen import UnforeseenScreen

        self.failures += 1
        if self.failures > MOST_FAILURES or not self._running:
            return False
        broken = self.screen

        def rebuild(_: None) -> None:
            broken.refresh(recompose=True)

        if not isinstance(broken, UnforeseenScreen):
            self.push_screen(UnforeseenScreen(error), rebuild)
        return True


def _load_planner() -> None:
    """Import what opens next: the first screen of a kind would else hold the event loop for its imports."""
    for name in SCREENS:
        importlib.import_module(f"tui.app.screens.{name}")
    keep_what_is_loaded()


def the_app(node: DOMNode) -> SteersmanApp:
    """Return the app that a widget or screen is in, with its type."""
    return cast(SteersmanApp, node.app)
