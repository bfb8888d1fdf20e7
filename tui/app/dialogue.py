"""The conversation as a value that no widget holds: what is asked, what was said, and the plan so far.

The screen draws it and brings it facts; so it survives a change of language, of size or of screen, and can be
tested without a terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Literal

from planner.errors import BadInput, SteersmanError
from planner.interview.choosing import chosen
from planner.interview.command import meaning
from planner.interview.interview import Interview
from planner.interview.question import Answer, Choice
from planner.language import say, template
from tui.app.asking import Asked, closing, of_question, resuming, what_to_change
from tui.app.said_again import kept
from tui.app.transcript import Entry, Kind, Said, Transcript

if TYPE_CHECKING:
    from planner.difference import Difference
    from planner.plan import Plan

Mode = Literal["resuming", "questions", "closing", "changing"]
Action = Literal["", "start", "plan", "save", "leave"]
"""What the screen is to do after a line, beyond drawing."""

GREETING = template(
    "Hello. I plan fine-tunes of language models on PaddlePaddle, and run them. A few questions, then you "
    "get a plan with a reason for every setting. Enter takes what I propose."
)


BEHIND_A_PLAN = template(
    "These are the answers behind {name}. Any of them can be given again, and the plan follows."
)


class Dialogue:
    """An interview with its transcript."""

    def __init__(self, interview: Interview, *, saved: Interview | None = None, behind: str = "") -> None:
        """`saved` are answers of another time, which are offered first; `behind` names a plan that the
        answers are those of."""
        self.interview = interview
        self.saved = saved
        self.mode: Mode = "questions" if saved is None else "resuming"
        self.transcript = Transcript()
        self.plan: Plan | None = None
        self.difference: Difference | None = None
        """What the last answer changed in the plan."""
        self.failed: SteersmanError | None = None
        """Why there is no plan, where facts and wishes together allow none."""
        self.settled = False
        """Whether the plan at hand belongs to the answers at hand."""
        self.tell("greeting", lambda: say(BEHIND_A_PLAN, name=behind) if behind else say(GREETING))

    # What is on screen

    def asked(self) -> Asked | None:
        """Return what is asked now; None while something is found or planned first."""
        if self.mode == "resuming" and self.saved is not None:
            return resuming(self.saved)
        if self.mode == "changing":
            return what_to_change(self.interview)
        if self.interview.current() is not None:
            return None if self.data_will_tell else of_question(self.interview)
        if self.settled and (self.plan is not None or self.failed is not None):
            return closing(self.plan)
        return None

    @property
    def data_will_tell(self) -> bool:
        """Whether the kind of training is to be asked, and data that may tell it are still being read."""
        interview, question = self.interview, self.interview.current()
        if question is None or question.key != "stage" or "stage" in interview.reopened:
            return False
        return "data" in interview.known.answers and interview.known.data is None

    def tell(self, kind: Kind, text: Said, *, title: Said | None = None, details: str = "") -> Entry:
        """Add something to the transcript; `text` is called whenever it is drawn, in the language of then."""
        return self.transcript.tell(kind, text, title=title, details=details)

    def answer_of(self, key: str) -> tuple[str, Answer] | None:
        """Return (short name of the question, its answer)."""
        for question, answer in self.interview.answered():
            if question.key == key:
                return say(question.title or question.key), answer
        return None

    # What the person does

    def line(self, text: str) -> Action:
        """Take a line that was typed, or the letter of a choice; raises `BadInput` in one sentence."""
        word = meaning(text)
        if word == "quit":
            return "leave"
        if word in ("back", "undo"):
            self.back() if word == "back" else self.undo()
            return ""
        asked = self.asked()
        if asked is None:
            raise BadInput(say("One moment: I am still working on what you answered."))
        then = self._asked_then(asked)
        if word == "why":
            words = kept(asked.explanation(), lambda: then().explanation())
            self.tell("explanation", words, title=lambda: say("Why I ask"))
            return ""
        if word == "help":
            words = kept(asked.help(), lambda: then().help())
            self.tell("explanation", words, title=lambda: say("What you can answer"))
            return ""
        if self.mode == "questions" and self.interview.current() is not None:
            self._answer(text, unsure=word == "unsure")
            return ""
        try:
            choice = asked.pick("" if word in ("skip", "unsure") else text)
        except BadInput:
            told = self.interview.told(text) if self.mode != "resuming" else None
            if told is None:
                raise
            self.mode = "questions"
            self.step(told)
            return ""
        return self._chose(choice)

    def back(self) -> None:
        """Return to the question before."""
        if self.mode in ("changing", "resuming"):
            self.mode = "questions"
            return
        self.step(self.interview.back())

    def undo(self) -> None:
        """Return to before the last step."""
        if self.interview.before is None:
            raise BadInput(say("There is nothing to undo."))
        self.mode = "questions"
        self.step(self.interview.undo())

    def reopen(self, key: str) -> None:
        """Ask a question again; what depends on it follows only if its answer changes."""
        self.mode = "questions"
        self.step(self.interview.reopen(key))

    def give(self, key: str, text: str) -> None:
        """Answer a question that may not be the one at hand; raises `BadInput`, and nothing has changed."""
        self.mode = "questions"
        again = self.interview.reopen(key)
        now = again.current()
        if now is not None and now.key == key:
            self.step(again.answer(text))
        else:
            self.step(self.interview.given({key: text}, "typed"))

    def step(self, interview: Interview) -> None:
        """Go on with other answers."""
        changed = interview.request() != self.interview.request()
        self.interview = interview
        self.settled = self.settled and not changed
        self.transcript.answers(tuple(question.key for question, _ in interview.answered()))

    def planned(self, plan: Plan) -> None:
        """Take the plan that belongs to the answers at hand."""
        from planner.difference import compare

        self.difference = compare(self.plan, plan) if self.plan is not None else None
        self.plan, self.failed, self.settled = plan, None, True
        self.interview = self.interview.planned(plan)

    def refused(self, error: SteersmanError) -> None:
        """Take that the answers at hand allow no plan."""
        self.plan, self.difference, self.failed, self.settled = None, None, error, True

    def respeak(self) -> None:
        """Say the answers in the language of the moment; the transcript follows when it is drawn."""
        self.interview = self.interview.respoken()
        self.saved = self.saved.respoken() if self.saved is not None else None

    def _asked_then(self, asked: Asked) -> Callable[[], Asked]:
        """Return what says in the language of a later moment what is asked now."""
        then = copy(self)

        def again() -> Asked:
            then.respeak()
            return then.asked() or asked

        return again

    def _answer(self, text: str, *, unsure: bool) -> None:
        if unsure:
            default = self.interview.default()
            then = self.interview
            words = kept(_taken(default), lambda: _taken(then.respoken().default()))
            self.tell("explanation", words, title=lambda: say("Not sure is fine"))
        self.step(self.interview.answer(text))

    def _chose(self, choice: Choice) -> Action:
        chosen(choice)  # says why it cannot be had
        value = str(choice.value)
        if self.mode == "resuming":
            self.mode = "questions"
            if value == "resume" and self.saved is not None:
                self.step(self.saved)
        elif self.mode == "changing":
            self.mode = "questions"
            if value:
                self.reopen(value)
        elif value == "change":
            self.mode = "changing"
        else:
            return value  # type: ignore[return-value]
        return ""


def _taken(default: Answer) -> str:
    return say("Then I take “{answer}”. {because}", answer=default.shown, because=default.because)
