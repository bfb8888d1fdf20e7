"""Finds what a dialogue is missing: facts, prices of choices, the plan; saves it and starts its run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from planner.errors import NothingFeasible, SteersmanError
from planner.facts import Facts
from planner.interview.finding import Found, ToFind
from planner.interview.question import Known
from planner.language import current, say, template
from planner.wishes import Wishes
from tui.app import legwork
from tui.app.answers import keep_answers
from tui.app.application import the_app
from tui.app.blocks.difference import Page
from tui.app.dialogue import Dialogue
from tui.app.messages import Working
from tui.app.work import Reporter

if TYPE_CHECKING:
    from pathlib import Path

    from textual.screen import Screen

    from planner.plan import Plan
    from runtime.run.layout import RunFolder

_numbers = itertools.count(1)


class Pursuit:
    """The jobs of one dialogue. Each has a name of its own, so that an answer that changed replaces it."""

    def __init__(self, screen: Screen[Any], dialogue: Dialogue) -> None:
        self.screen = screen
        self.dialogue = dialogue
        self.tag = f"dialogue {next(_numbers)}"
        self.under_way: dict[str, Working | None] = {}
        """Jobs that the person waits for, with what they said last."""
        self.sought: dict[str, ToFind] = {}
        self.kept: dict[str, Any] = {}
        self.looked_around = False
        """Whether data files near the person were looked for."""
        self.priced: Known | None = None
        self.planned: tuple[Facts, Wishes] | None = None
        self.pages: list[Page] = []

    def go_on(self) -> None:
        """Start whatever is missing and not under way."""
        if not self.screen.is_attached or self.dialogue.mode == "resuming":
            return
        if not self.looked_around:
            self.looked_around = True
            self.begin("near", partial(legwork.near, the_app(self.screen).folder), waited_for=False)
        for missing in self.dialogue.interview.missing():
            if self.sought.get(missing.what) != missing:
                self.sought[missing.what] = missing
                stage = str(self.dialogue.interview.known.value("stage") or "sft")
                self.begin(
                    f"find {missing.what}", partial(legwork.find, missing, the_app(self.screen).folder, stage)
                )
        self.price()
        self.plan()

    def price(self) -> None:
        """Find what the choices at hand would cost."""
        interview = self.dialogue.interview
        question = interview.current()
        if question is None or question.price is None or interview.shown is not None:
            return
        if interview.known.hardware is None or self.priced == interview.known:
            return
        self.priced = interview.known
        task = partial(_price, question.price, interview.known)
        self.begin("price", task, waited_for=False)

    def plan(self) -> None:
        """Plan, once there are facts, whenever they or the wishes changed."""
        facts = self.dialogue.interview.facts()
        if facts is None:
            return
        wanted = facts, self.dialogue.interview.request().wishes
        if wanted != self.planned:
            self.planned = wanted
            self.dialogue.settled = False
            self.begin("plan", partial(legwork.plan, *wanted))

    def what_if(self, change: Callable[[Reporter], Any]) -> None:
        """Work out another plan beside the one at hand."""
        self.begin("what if", change)

    def speak_again(self) -> None:
        """Say other plans that were shown in the language of the moment."""
        for number, page in enumerate(self.pages):
            if page.now.language != current():
                self.begin(f"page {number}", page.now.respoken, waited_for=False)

    def open(self, text: str) -> None:
        """Read a saved plan, or find a run."""
        folder = the_app(self.screen).folder
        tell = the_app(self.screen).notify
        self.begin("open", lambda reporter: legwork.read(text, folder, tell))

    def save(self) -> None:
        """Write the plan: where it is saved already, else into the person's folder."""
        plan, file, folder = self._to_be_saved()
        self.begin("save", lambda reporter: legwork.save(plan, file, folder))

    def start(self) -> None:
        """Write the plan and start its run."""
        self.begin("start", partial(legwork.start, *self._to_be_saved()))

    def keep(self) -> None:
        """Keep the answers so far for another time."""
        answers = self.dialogue.interview.to_saved()
        if self.dialogue.mode != "resuming" and answers != self.kept:
            self.kept = answers
            self.begin("keep", lambda reporter: keep_answers(answers), waited_for=False)

    def _to_be_saved(self) -> tuple[Plan, Path | None, Path]:
        plan, app = self.dialogue.plan, the_app(self.screen)
        assert plan is not None
        return plan, app.desk.file, app.folder

    def begin(self, what: str, task: Callable[[Reporter], Any], *, waited_for: bool = True) -> None:
        """Start a job, shown to the person unless it only makes something more exact."""
        job = f"{self.tag}: {what}"
        if waited_for:
            self.under_way[job] = None
        the_app(self.screen).work.start(job, self.screen, task)

    def cancel(self) -> bool:
        """Cancel the job that began last; return whether there was one."""
        job = next(reversed(self.under_way), None)
        if job is None:
            return False
        self.under_way.pop(job)
        the_app(self.screen).work.cancel(job)
        self.dialogue.tell("note", lambda: say("Cancelled."))
        self._open_again(self._what(job))
        return True

    def worked(self, job: str, result: Any) -> RunFolder | None:
        """Take a result; return the run if one was started."""
        what, dialogue = self._what(job), self.dialogue
        self.under_way.pop(job, None)
        if what.startswith("find ") and isinstance(result, Found):
            kind = what.removeprefix("find ")
            sought = self.sought.get(kind)
            facts: dict[str, Any] = {kind: result.facts}
            dialogue.step(dialogue.interview.found(**facts, because=result.because, sought=sought))
        elif what == "near":
            dialogue.interview = dialogue.interview.near(result)
        elif what == "price" and self.priced == dialogue.interview.known:
            dialogue.interview = dialogue.interview.priced(result)
        elif what == "plan":
            dialogue.planned(result)
            the_app(self.screen).desk.put(result)
        elif what == "save":
            the_app(self.screen).desk.file = result
            from planner.methods import next_command

            words, plan = template("Saved as {path}. Run it with: {command}"), dialogue.plan
            command = next_command(plan, str(result)) if plan is not None else f"steersman run {result}"
            dialogue.tell("note", lambda: say(words, path=result, command=command))
        elif what == "open" and isinstance(result, tuple):
            the_app(self.screen).open_plan(*result)
        elif what == "what if":
            page = Page(result)
            self.pages.append(page)
            dialogue.tell("page", page.shown, title=page.title)
        elif what.startswith("page "):
            self.pages[int(what.removeprefix("page "))].now = result
        elif what in ("start", "open"):
            return result  # type: ignore[no-any-return]
        return None

    def refused(self, job: str, error: SteersmanError, details: str) -> None:
        """Say why there is no result, and ask again what led to it."""
        what, dialogue = self._what(job), self.dialogue
        self.under_way.pop(job, None)
        if what in ("price", "near", "keep") or what.startswith("page "):
            return
        dialogue.tell("error", error.sentence, details=details or error.details)
        if what == "plan":
            dialogue.refused(error)
        self._open_again(what)

    def cancelled(self, job: str) -> None:
        """Forget a job."""
        self.under_way.pop(job, None)

    def _open_again(self, what: str) -> None:
        """Ask again for what could not be found; otherwise it would be sought forever."""
        kind = what.removeprefix("find ")
        if what.startswith("find "):
            self.sought.pop(kind, None)
            if kind in self.dialogue.interview.known.answers:
                self.dialogue.step(self.dialogue.interview.reopen(kind))
            elif kind == "hardware":
                self.sought[kind] = ToFind("hardware", None)
        elif what == "plan" and not self.dialogue.settled:
            self.dialogue.refused(NothingFeasible(say("The plan was not made.")))

    def _what(self, job: str) -> str:
        return job.removeprefix(f"{self.tag}: ")


def _price(price: Callable[[Known], Any], known: Known, reporter: Reporter) -> Any:
    return price(known)
