"""The app itself: which screens there are, what is shared between them, and keys that work everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, cast

from textual.app import App
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.screen import Screen

from planner.language import current, say, use_everywhere
from planner.plan import Plan
from runtime.run.layout import RunFolder
from tui.app.messages import LanguageChanged
from tui.app.work import Work


class SteersmanApp(App[int]):
    """A conversation that ends in a finished fine-tune."""

    TITLE = "Steersman"
    CSS_PATH = "steersman.tcss"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-narrow"),
        (100, "-normal"),
        (150, "-wide"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "help", say("Help"), id="app.help"),
        Binding("ctrl+q", "quit", say("Quit"), id="app.quit"),
    ]

    def __init__(self, *, folder: Path | None = None) -> None:
        """`folder` is where data files are looked for: by default the current one."""
        super().__init__()
        self.folder = folder or Path.cwd()
        self.work = Work(self)

    def get_default_screen(self) -> Screen[Any]:
        """Return Home, the first that a person sees."""
        from tui.app.screens.home import HomeScreen

        return HomeScreen()

    def open_conversation(self, plan: Plan | None = None) -> None:
        """Ask for a new plan, or go on with the answers behind one."""
        from tui.app.screens.conversation import ConversationScreen

        self.push_screen(ConversationScreen(plan))

    def open_plan(self, plan: Plan, file: Path | None = None) -> None:
        """Show a whole plan; `file` is where it is saved, if it is."""
        from tui.app.screens.plan import PlanScreen

        self.push_screen(PlanScreen(plan, file))

    def open_data(self, plan: Plan) -> None:
        """Show the data of a plan as it will be trained on."""
        from tui.app.screens.data import DataScreen

        self.push_screen(DataScreen(plan))

    def open_run(self, run: RunFolder) -> None:
        """Show a run, living or ended: the journal is the truth."""
        from tui.app.screens.run import RunScreen

        self.push_screen(RunScreen(run))

    def open_chat(self, run: RunFolder) -> None:
        """Talk to the base and the tuned model of a run."""
        from tui.app.screens.chat import ChatScreen

        self.push_screen(ChatScreen(run))

    def open_report(self, run: RunFolder) -> None:
        """Show what was planned and what happened."""
        from tui.app.screens.report import ReportScreen

        self.push_screen(ReportScreen(run))

    def speak(self, language: str) -> None:
        """Speak another language, on every screen at once."""
        if language != current():
            use_everywhere(language)
            for screen in self.screen_stack:
                screen.post_message(LanguageChanged(language))
                screen.refresh(recompose=True)


def the_app(node: DOMNode) -> SteersmanApp:
    """Return the app that a widget or screen is in, with its type."""
    return cast(SteersmanApp, node.app)
