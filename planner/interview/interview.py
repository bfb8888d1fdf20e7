"""The walk through the questions: an immutable value; every step returns another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from planner.errors import BadInput
from planner.facts import DataFacts, Facts, HardwareFacts, ModelFacts
from planner.interview import saved
from planner.interview.choosing import by_number, chosen, pick, possible
from planner.interview.command import meaning
from planner.interview.finding import Found, FoundBefore, Source, ToFind
from planner.interview.question import Answer, Choice, Known, Provenance, Question
from planner.interview.questions import QUESTIONS
from planner.interview.request import PINNED, Request, request
from planner.interview.respeaking import respoken, said_again
from planner.interview.sentence import understood
from planner.interview.settled import settled, source_of
from planner.language import say
from planner.plan import Plan
from planner.refusals import checked_pins
from planner.wishes import Value

__all__ = ["Interview", "ToFind"]


@dataclass(frozen=True)
class Interview:
    """Questions, what is known, and how it came to be known.

    A front end finds what is `missing`, asks what is `current`, and stops when it is `complete`.
    """

    questions: tuple[Question, ...] = QUESTIONS
    known: Known = field(default_factory=Known)
    asked: tuple[str, ...] = ()
    """Keys in the order in which the person answered them."""
    reopened: Mapping[str, Answer | None] = field(default_factory=dict)
    """Questions that are to be asked again, with the answer before."""
    facts_found: FoundBefore = field(default_factory=dict)
    shown: tuple[Choice, ...] | None = None
    """The choices of the current question as they are shown, with figures; None: without."""
    before: Interview | None = field(default=None, repr=False, compare=False)
    """As it was before the last step."""

    # What is to be asked

    def current(self) -> Question | None:
        """Return the next question; None when every question has its answer."""
        for question in self.questions:
            key = question.key
            if key not in self.known.answers and (key in self.reopened or question.when(self.known)):
                return question
        return None

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be asked or found."""
        return self.current() is None and not self.missing()

    def choices(self) -> tuple[Choice, ...]:
        """Return the current question's choices: those with figures, once `priced` was told them."""
        question = self.current()
        if question is None:
            return ()
        return question.choices(self.known) if self.shown is None else self.shown

    def priced(self, choices: tuple[Choice, ...]) -> Interview:
        """Return the same with the current question's choices as `planner.interview.pricing` found them."""
        return replace(self, shown=choices)

    def default(self) -> Answer:
        """Return what an empty line would answer: the answer before if there was one, else the question's
        default, or what comes nearest to it where that cannot be had. KeyError without a current question."""
        question = self._now()
        so_far = self.reopened.get(question.key)
        if so_far is not None:
            return replace(so_far, because=say("It is the answer so far."))
        return possible(question.default(self.known), self.choices())

    def question(self, key: str) -> Question:
        """Return a question by its key; raises `BadInput` where there is none."""
        for question in self.questions:
            if question.key == key:
                return question
        names = ", ".join(question.key for question in self.questions)
        raise BadInput(
            say("There is no question called {key}.", key=key), remedy=say("They are: {names}.", names=names)
        )

    # Answers

    def answer(self, text: str) -> Interview:
        """Return the interview after a line: a choice's letter or label, or free text. A line that answers
        other questions, or several, is taken for what it says.

        Raises `BadInput` in one sentence; nothing has changed then.
        """
        if meaning(text) in ("skip", "unsure"):
            return self.skip()
        question = self._now()
        choices = self.choices()
        choice = pick(text, choices)
        if choice is not None:
            return self.choose(choice)
        try:
            read = question.read(text.strip(), self.known)
        except BadInput:
            numbered = by_number(text, choices)
            if numbered is not None:
                return self.choose(numbered)
            others = understood(text, self.known)
            if not others:
                raise
            return self._said(others)
        same = next((one for one in choices if one.value == read.value and one.value is not None), None)
        if same is not None and same.disabled:
            chosen(same)
        return self._answered(question.key, read)

    def told(self, text: str) -> Interview | None:
        """Return the interview after a line that answers any questions, asked or not; None if it does not."""
        others = understood(text, self.known)
        return self._said(others) if others else None

    def choose(self, choice: Choice) -> Interview:
        """Return the interview after a choice; raises `BadInput` with the reason if it is disabled."""
        return self._answered(self._now().key, chosen(choice))

    def skip(self) -> Interview:
        """Return the interview with the current question's default taken."""
        key = self._now().key
        return self._answered(key, self.reopened.get(key) or self.default())

    def given(self, answers: Mapping[str, str], provenance: Provenance = "flag") -> Interview:
        """Return the interview with answers that came from elsewhere, as texts; raises `BadInput`."""
        interview = self
        for key, text in answers.items():
            question = self.question(key)
            answer = replace(question.read(text, interview.known), provenance=provenance)
            interview = interview._put(key, answer)
        return interview

    def back(self) -> Interview:
        """Return to the question that was answered last; a question that was reopened gets its answer
        back."""
        now = self.current()
        so_far = self.reopened.get(now.key) if now is not None else None
        if now is not None and so_far is not None and now.key in self.asked:
            return self._answered(now.key, so_far)
        if not self.asked:
            return self
        return replace(self.reopen(self.asked[-1]), asked=self.asked[:-1])

    def reopen(self, key: str) -> Interview:
        """Ask a question again. Only if its answer changes, what depends on it is asked again too."""
        self.question(key)
        answers = {name: answer for name, answer in self.known.answers.items() if name != key}
        so_far = self.known.answers.get(key, self.reopened.get(key))
        if any(sought.what == key for sought in self.missing()):
            so_far = None  # nothing was found for it, so nobody wants it again
        asked = self.asked if key in self.asked or so_far is None else (*self.asked, key)
        step = replace(self, reopened={**self.reopened, key: so_far}, asked=asked, before=self)
        return step._with_answers(answers)

    def undo(self) -> Interview:
        """Return to before the last step; what was found since stays found."""
        if self.before is None:
            return self
        kept = {**self.before.facts_found, **self.facts_found}
        earlier = replace(self.before, facts_found=kept, shown=None)
        return earlier._with_answers(earlier.known.answers)

    def pin(self, name: str, value: object) -> Interview:
        """Fix a setting; raises `BadInput` for one that does not exist or has no such value."""
        checked = checked_pins({name: value}, "")[name]
        if name in PINNED:
            return self._answered(name, Answer(checked, str(checked), "typed"))
        return self._pinned({**self.known.pins, name: checked})

    def unpin(self, name: str) -> Interview:
        """Leave a setting to the planner again; raises `BadInput` for one that is not fixed."""
        if name in PINNED and self.known.value(name) is not None:
            return self._answered(name, Answer(None, say("the planner decides"), "typed"))
        if name not in self.known.pins:
            raise BadInput(say("{setting} is not fixed.", setting=name))
        return self._pinned({other: value for other, value in self.known.pins.items() if other != name})

    # Facts

    def missing(self) -> tuple[ToFind, ...]:
        """Return what must be found next, and from what; data follows its model, whose tokenizer counts."""
        known, found = self.known, []
        if known.hardware is None:
            hardware = known.value("hardware")
            found.append(ToFind("hardware", None if hardware is None else str(hardware)))
        if known.model is None and "model" in known.answers:
            found.append(ToFind("model", str(known.value("model"))))
        if known.data is None and known.model is not None and "data" in known.answers:
            found.append(ToFind("data", str(known.value("data")), known.model))
        return tuple(found)

    def found(
        self,
        *,
        model: ModelFacts | None = None,
        data: DataFacts | None = None,
        hardware: HardwareFacts | None = None,
        because: str = "",
        sought: ToFind | None = None,
    ) -> Interview:
        """Return the interview with facts; answers that follow from them are detected again.

        `sought` is what they were found for, where the answers may have changed meanwhile.
        """
        facts: dict[Source, Found] = {}
        for what, value in (("model", model), ("data", data), ("hardware", hardware)):
            if value is not None:
                facts[source_of(self.known, what, sought)] = Found(value, because)
        step = replace(self, facts_found={**self.facts_found, **facts})
        return step._with_answers(self.known.answers)

    def take(self, sought: ToFind, found: Found) -> Interview:
        """Return the interview with what was found for one of the `missing`."""
        filed = {source_of(self.known, sought.what, sought): found}
        step = replace(self, facts_found={**self.facts_found, **filed})
        return step._with_answers(self.known.answers)

    def near(self, files: tuple[str, ...]) -> Interview:
        """Return the interview with data files near the person."""
        return replace(self, known=replace(self.known, files=files), shown=None)

    def planned(self, plan: Plan | None) -> Interview:
        """Return the interview with the plan so far."""
        return replace(self, known=replace(self.known, plan=plan))

    def respoken(self) -> Interview:
        """Return the interview with its answers said in the language of the moment."""
        reopened = {
            key: answer and said_again(self.question(key), answer, self.known)
            for key, answer in self.reopened.items()
        }
        return replace(self, reopened=reopened)._with_answers(respoken(self.questions, self.known))

    def facts(self) -> Facts | None:
        """Return the facts, once there are all of them; without a calibration."""
        known = self.known
        if known.model is None or known.data is None or known.hardware is None:
            return None
        return Facts(model=known.model, data=known.data, hardware=known.hardware)

    # Results

    def request(self) -> Request:
        """Return what a plan is to be made from."""
        return request(self.known)

    def answered(self) -> tuple[tuple[Question, Answer], ...]:
        """Return questions with their answers, in the questions' order."""
        answers = self.known.answers
        return tuple((each, answers[each.key]) for each in self.questions if each.key in answers)

    def to_saved(self) -> dict[str, Any]:
        """Return the answers that a person gave as plain data."""
        return saved.to_saved(self.known)

    @classmethod
    def from_saved(cls, data: object, known: Known | None = None) -> Interview:
        """Return an interview with saved answers; those that mean nothing any more are asked again."""
        start = cls(known=known or Known())
        answers, pins = saved.from_saved(data, start.questions, start.known)
        return start._pinned(pins, step=False)._with_answers({**start.known.answers, **answers})

    # Steps

    def _now(self) -> Question:
        question = self.current()
        if question is None:
            raise KeyError("every question has its answer")
        return question

    def _answered(self, key: str, answer: Answer) -> Interview:
        asked = (*(name for name in self.asked if name != key), key)
        return replace(self._put(key, answer), asked=asked, before=self)

    def _said(self, answers: Mapping[str, Answer]) -> Interview:
        """Return the interview after a line that answers several questions; undone in one step."""
        said = self
        for question in self.questions:
            if question.key in answers:
                said = said._answered(question.key, answers[question.key])
        return replace(said, before=self)

    def _put(self, key: str, answer: Answer) -> Interview:
        """Return the interview with an answer, and without those that depended on another one."""
        answers = dict(self.known.answers)
        so_far = answers.get(key, self.reopened.get(key))
        answers[key] = answer
        if so_far is not None and so_far.value != answer.value:
            for name in self._dependents(key):
                if name in answers and answers[name].provenance != "flag":
                    del answers[name]
        reopened = {name: value for name, value in self.reopened.items() if name != key}
        return replace(self, reopened=reopened)._with_answers(answers)

    def _dependents(self, key: str) -> tuple[str, ...]:
        """Return the questions that depend on one, directly or through others."""
        found = {key}
        for _ in self.questions:
            found |= {each.key for each in self.questions if found & set(each.needs)}
        return tuple(found - {key})

    def _pinned(self, pins: Mapping[str, Value], *, step: bool = True) -> Interview:
        changed = replace(self, known=replace(self.known, pins=dict(pins)), shown=None)
        return replace(changed, before=self) if step else changed

    def _with_answers(self, answers: Mapping[str, Answer]) -> Interview:
        known = settled(replace(self.known, answers=dict(answers)), self.facts_found, self.reopened)
        return replace(self, known=known, shown=None)
