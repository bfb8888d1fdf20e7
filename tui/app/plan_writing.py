"""Saving, exporting and running a plan from its screen: what is asked first, and what is said at the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from planner.language import say
from planner.phrases import machine
from runtime.run.layout import RunFolder
from tui.app import plan_files
from tui.app.application import the_app
from tui.app.starting import start
from tui.app.widgets.ask_bar import AskBar
from tui.plan_figures import total_time

if TYPE_CHECKING:
    from tui.app.screens.plan import PlanScreen

SAVE, EXPORT, START = "plan.save", "plan.export", "plan.start"
WRITING = (SAVE, EXPORT, START)
"""Jobs that leave something on the disk."""


class PlanWriting:
    """Asks on the screen's question bar and starts the jobs; holds what a yes is waited for."""

    def __init__(self, screen: PlanScreen) -> None:
        self.screen = screen
        self.place = Path()
        """Where to, while a yes is waited for."""

    def begin(self, what: str) -> None:
        """Ask what has to be known before something is saved, exported or run."""
        plan = self.screen.plan
        if what == "save":
            self._ask("save", say("Save the plan as:"), str(self.screen.session.file or f"{plan.name}.yaml"))
        elif what == "export":
            words = say("Write a folder that trains without Steersman:")
            self._ask("export", words, f"{plan.name}-rendered")
        else:
            takes, place = total_time(plan).seconds(), machine(plan.facts.hardware)
            self._ask("run", say("Start the run? It takes {span} on {machine}.", span=takes, machine=place))

    def answered(self, about: str, text: str) -> bool:
        """Go on with an answer; return False when nothing comes of it."""
        if about == "save":
            self._save(plan_files.plan_path(text, the_app(self.screen).folder))
        elif about == "export":
            self.place = the_app(self.screen).folder / Path(text).expanduser()
            self._ask("export all", say("Put the model and the prepared data into it, too?"))
        elif about == "export all":
            self._start(EXPORT, plan_files.exporting(self.screen.plan, self.place, configs_only=text == "n"))
        elif text != "y":
            return False
        elif about == "replace":
            self._start(SAVE, plan_files.saving(self.screen.plan, self.place))
        elif about == "run":
            plan, file = self.screen.plan, self.screen.session.file
            self._start(START, lambda reporter: start(plan, file, reporter))
        return True

    def done(self, job: str, result: Path | RunFolder) -> str:
        """Take note of what a job left, and return a sentence about it."""
        if isinstance(result, RunFolder):
            the_app(self.screen).open_run(result)
            return say("The run {name} has started.", name=result.name)
        if job == SAVE:
            self.screen.session.file, self.screen.session.saved = result, True
            the_app(self.screen).desk.put(self.screen.plan, result)
            return say("Saved as {path}.", path=result)
        return say("Written: {path}. It trains with launch.sh.", path=result)

    def _save(self, path: Path) -> None:
        if path.exists():
            self.place = path
            self._ask("replace", say("{path} exists already. Replace it?", path=path))
        else:
            self._start(SAVE, plan_files.saving(self.screen.plan, path))

    def _ask(self, about: str, question: str, text: str | None = None) -> None:
        self.screen.query_one(AskBar).ask(about, question, text)

    def _start(self, job: str, task: plan_files.Task) -> None:
        the_app(self.screen).work.start(job, self.screen, task)
