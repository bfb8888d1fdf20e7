"""Why a run did not go on: what, why, what to do, and where the details are."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.widgets import Static

from planner.errors import SteersmanError
from planner.language import say, template
from runtime.events import Error
from runtime.run.view import RunView
from tui.app.run_words import RUN_MEANINGS, stage_name
from tui.app.widgets.ink import ink

WAYS = template("c changes an answer and plans again, v shows the plan, g continues, d copies this.")

LOST = template("g continues, v shows the plan, d copies this.")

ANSWERS = template("y takes the offer, g tries again as it was, c changes an answer, d copies this.")


class Trouble(Static):
    """A block in words; `details` is what *copy details* copies."""

    def __init__(self) -> None:
        super().__init__(id="trouble", markup=False)
        self.display = False
        self.details = ""
        self._ways = ""

    def show(self, view: RunView, state: str, *, plan_again: bool = False) -> None:
        """Show the error of a failed run, or what it means that a run is lost; hide it otherwise.

        `plan_again` says that there is a plan which the keys of the screen open.
        """
        self._ways = say(WAYS) if plan_again and state == "failed" else ""
        error = failure(view) if state == "failed" else None
        if error is not None:
            stage = stage_of_failure(view)
            title = say("{stage} failed", stage=stage_name(stage)) if stage else say("The run failed")
            self._show(f"✗ {title}", error.what, error.why, error.remedy, error.log_path)
        elif state == "waiting":
            self._ways = say(ANSWERS)
            self._show(f"? {say('The run waits for you')}", say(RUN_MEANINGS["waiting"]), view.reason, "", "")
        elif state == "lost":
            self._ways = say(LOST) if plan_again else ""
            self._show(f"? {say('The run is lost')}", say(RUN_MEANINGS["lost"]), "", "", "")
        else:
            self.display = False
            self.details = ""

    def show_error(self, error: SteersmanError) -> None:
        """Show why something that was asked for did not happen."""
        self._ways = ""
        self._show(f"✗ {say('That did not work')}", error.what, error.why, error.remedy, "")
        self.details = "\n".join(filter(None, (self.details, error.details)))

    def _show(self, title: str, what: str, why: str, remedy: str, log: str) -> None:
        self.display = True
        self.details = "\n".join(filter(None, (title, what, why, remedy, log)))
        rows = [(say("Why"), why), (say("What to do"), remedy), (say("Log"), "" if log in remedy else log)]
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold", ratio=1)
        for label, text in rows:
            if text:
                grid.add_row(Text(label, ink(self, "text-muted")), Text(text))
        if self._ways:
            grid.add_row(Text(say("Keys"), ink(self, "text-muted")), Text(self._ways))
        self.update(Group(Text(title, ink(self, "text-error", bold=True)), Text(what), grid))


def failure(view: RunView) -> Error | None:
    """Return the error of the stage that failed, else that of the run."""
    stage = stage_of_failure(view)
    return view.stages[stage].error if stage and view.stages[stage].error else view.error


def stage_of_failure(view: RunView) -> str:
    """Return the name of the stage that failed; empty when the run failed outside of a stage."""
    return next((stage.name for stage in view.stages.values() if stage.state == "failed"), "")
