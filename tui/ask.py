"""`steersman plan --ask`: the interview line by line, in a terminal or from a pipe.

At the end of a pipe every question left takes its default; the plan is written only where `-o` says so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from planner.errors import BadInput, Interrupted, NothingFeasible, SteersmanError
from planner.interview.choosing import LETTERS
from planner.interview.command import meaning
from planner.interview.finding import Found, ToFind
from planner.interview.interview import Interview
from planner.interview.pricing import priced
from planner.interview.question import Answer, Known, Question
from planner.interview.request import FIELDS
from planner.language import join, say
from planner.plan import Plan
from planner.solve import make_plan
from planner.wishes import Value
from runtime import saved_answers
from runtime.calibration import calibration_for
from runtime.find_facts import find
from runtime.near_files import near_files
from tui.ask_completion import complete
from tui.ask_view import kept_words, print_answers, print_help, print_question
from tui.typed_line import typed_line

NO = ("n", "no", "不", "否", "不要", "不用")


class Given(NamedTuple):
    """What the command line says already."""

    answers: Mapping[str, str]
    """Question -> text."""
    pins: Mapping[str, Value]
    recipes: str | None = None
    dev_fraction: float = 0.05


class Asker:
    """A conversation of lines: prints to a console, reads from standard input, keeps the answers so far."""

    def __init__(self, console: Console, given: Given, where: Path) -> None:
        self.console = console
        self.given = given
        self.where = where
        self.interview = Interview()
        self.ended = False

    def plan(self) -> Plan:
        """Ask until there is a plan, and return it.

        Raises, at the end of a pipe, whatever makes a plan impossible.
        """
        while True:
            self.walk()
            plan = self.planned()
            if plan is not None:
                return plan

    def begin(self) -> None:
        """Start with what is known: flags, and the answers of last time if they are wanted."""
        known = Known(files=near_files(Path.cwd()))
        self.interview = Interview(known=known)
        before = saved_answers.kept()
        earlier = Interview.from_saved(before, known) if before is not None else self.interview
        if earlier.answered() or earlier.known.pins:
            self.say(say("I kept {answers} from last time.", answers=kept_words(earlier)))
            line = self.line(say("Go on with them? [Y/n]"))
            if line is None or line.strip().lower() not in NO:
                self.interview = earlier
            else:
                saved_answers.forget()
        self.interview = self.interview.given(self.given.answers)
        for name, value in self.given.pins.items():
            self.interview = self.interview.pin(name, value)

    def walk(self) -> None:
        """Ask and find until nothing is left."""
        while not self.interview.complete:
            missing = self.interview.missing()
            if missing:
                self.find(missing[0])
                continue
            question = self.interview.current()
            assert question is not None
            self.ask(question)

    def find(self, sought: ToFind) -> None:
        """Find one thing and say it; what cannot be found is asked again."""
        from tui.commands.data import ProgressLine

        before = self.interview.known.answers
        try:
            with ProgressLine(say("reading")) as progress:
                found = find(
                    sought,
                    where=self.where,
                    folder=Path.cwd(),
                    stage=str(self.interview.known.value("stage") or "sft"),
                    dev_fraction=self.given.dev_fraction,
                    seed=int(str(self.interview.known.pins.get("seed", 42))),
                    report=lambda sentence: progress.bar.console.print(Text(sentence, style="dim")),
                    progress=progress,
                )
        except BadInput as error:
            if self.ended or sought.what == "hardware":
                raise
            self.refuse(error)
            self.interview = self.interview.reopen(sought.what)
            return
        self.take(sought, found)
        for question, answer in self.interview.answered():
            if answer.provenance == "detected" and question.key not in before and question.key != "hardware":
                self.say(join((told(question, answer), answer.because)))

    def take(self, sought: ToFind, found: Found) -> None:
        """File what was found, and say it."""
        self.interview = self.interview.take(sought, found)
        self.say(found.because)

    def ask(self, question: Question) -> None:
        """Ask one question until its answer, or a step elsewhere."""
        self.interview = self.interview.priced(priced(question, self.interview.known))
        if not self.ended:
            complete(question, self.interview)
            print_question(self.console, self.interview, question)
        while True:
            line = self.line()
            try:
                if self.step(question, line or ""):
                    return
            except BadInput as error:
                if self.ended:
                    raise
                self.refuse(error)

    def step(self, question: Question, line: str) -> bool:
        """Do what a line says; return whether the question is left."""
        command = meaning(line)
        interview = self.interview
        if command == "why":
            self.say(join((question.why(interview.known), interview.default().because)))
            return False
        if command == "help":
            print_help(self.console, interview, question)
            return False
        if command == "quit":
            raise KeyboardInterrupt
        if command in ("back", "undo"):
            self.interview = interview.back() if command == "back" else interview.undo()
            if self.interview is interview:
                self.say(say("This is the first question."))
                return False
            return True
        self.interview = interview.answer(line)
        for each, answer in self.interview.answered():
            earlier = interview.known.answers.get(each.key)
            if earlier is None or earlier.value != answer.value:
                because = answer.because if command == "unsure" or answer.provenance == "typed" else ""
                self.say(join((told(each, answer), because)), style="green")
        return True

    def planned(self) -> Plan | None:
        """Return the plan of the answers; None where it cannot be made and an answer is to be changed."""
        facts = self.interview.facts()
        assert facts is not None
        wishes = self.interview.request().wishes
        if self.given.recipes is not None:
            wishes = wishes.model_copy(update={"recipes": self.given.recipes})
        try:
            return make_plan(facts.model_copy(update={"calibration": calibration_for(facts)}), wishes)
        except (NothingFeasible, BadInput) as error:
            if self.ended:
                raise
            self.refuse(error)
            self.change()
            return None

    def change(self) -> None:
        """Ask which answer is to be given anew."""
        print_answers(self.console, self.interview)
        keys = [question.key for question, _ in self.interview.answered()]
        while True:
            line = self.line(say("Which answer do you want to change? Type its letter."))
            key = self.key_of(line or "", keys)
            if key is not None:
                self.interview = self.interview.reopen(key)
                return
            if self.ended:
                raise BadInput(say("There is no plan for these answers."))

    def key_of(self, line: str, keys: list[str]) -> str | None:
        """Return the question that a letter or a name means."""
        word = line.strip().lower()
        if len(word) == 1 and word in LETTERS[: len(keys)]:
            return keys[LETTERS.index(word)]
        titles = {say(question.title).lower(): question.key for question, _ in self.interview.answered()}
        return word if word in keys else titles.get(word)

    def line(self, prompt: str = "") -> str | None:
        """Return the next line; None from the end of the input on."""
        if self.ended:
            return None
        prompt = f"{prompt} > " if prompt else "> "
        typed = sys.stdin.isatty()
        if self.console.stderr or not typed:
            self.console.print(Text(prompt), end="")
            prompt = ""
        try:
            line = typed_line(prompt) if typed else input(prompt)
        except EOFError:
            self.ended = True
            self.say(say("No more input: the rest takes its defaults."))
            return None
        if not typed:
            self.console.print(Text(line))
        return line

    def left(self) -> SteersmanError:
        """Keep the answers and return what ends the command."""
        answers = self.interview.to_saved()
        saved_answers.keep(answers)
        kept = say("Your answers are kept; `steersman plan --ask` goes on with them.")
        self.console.print()
        return Interrupted(say("Interrupted."), remedy=kept if answers["answers"] else "")

    def say(self, sentence: str, style: str = "") -> None:
        """Print one sentence."""
        if sentence:
            self.console.print(Text(sentence, style=style))

    def refuse(self, error: SteersmanError) -> None:
        """Print what was not understood, or cannot be had."""
        self.say(error.sentence(), style="yellow")


def ask(
    console: Console, given: Given, output: Path | None, show: Callable[[Plan], None]
) -> tuple[Plan, Path | None]:
    """Return the plan that a person was asked for, and the file in which they want it; None: in none.

    `show` prints the plan. Raises `Interrupted` when the person leaves (the answers are kept), `BadInput` and
    `NothingFeasible` where nobody is there to answer.
    """
    asker = Asker(console, given, output.resolve().parent if output else Path.cwd())
    try:
        asker.begin()
        while True:
            plan = asker.plan()
            show(plan)
            file = output if output is not None or asker.ended else where_to(asker, plan)
            if file != CHANGE:
                return plan, file
    except KeyboardInterrupt:
        raise asker.left() from None


def told(question: Question, answer: Answer) -> str:
    """Return an answer as a sentence."""
    return say("{question}: {answer}.", question=say(question.title), answer=answer.shown)


CHANGE = Path()
"""Stands for going on with the questions."""


def where_to(asker: Asker, plan: Plan) -> Path | None:
    """Return the file that the person names; None for none, `CHANGE` where an answer is to be changed."""
    proposed = free_name(plan.name)
    while True:
        prompt = say("Save it as {file}? Empty line: yes; or another name, no, or change.", file=proposed)
        line = asker.line(prompt)
        word = (line or "").strip()
        if line is None or word.lower() in NO:
            return None
        if word.lower() in ("change", "back", "修改", "更改", "返回"):
            asker.change()
            return CHANGE
        file = Path(word or proposed).expanduser()
        file = file if file.suffix else file.with_suffix(".yaml")
        if not file.exists():
            return file
        asker.say(say("{path} exists already.", path=file))


def free_name(name: str) -> str:
    """Return a file name that is not taken."""
    names = (f"{name}{number}.yaml" for number in ("", *(f"-{count}" for count in range(2, 1000))))
    return next(each for each in names if not Path(each).exists())


def as_answers(names: Mapping[str, str | None], wishes: Mapping[str, object]) -> dict[str, str]:
    """Return what options answer: question -> text. `wishes` are fields of `Wishes` by name."""
    questions = {field: question for question, field in FIELDS.items()}
    answers = {questions[field]: str(value) for field, value in wishes.items()}
    return answers | {name: text for name, text in names.items() if text is not None}
