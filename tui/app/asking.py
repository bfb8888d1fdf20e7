"""What is asked, in words: a question of the interview, or one about the conversation itself."""

from __future__ import annotations

from dataclasses import dataclass

from planner.errors import BadInput
from planner.interview.choosing import LETTERS, by_number, pick
from planner.interview.interview import Interview
from planner.interview.question import Choice
from planner.language import join, say
from planner.plan import Plan


@dataclass(frozen=True)
class Asked:
    """One question as it is shown."""

    text: str
    why: str = ""
    choices: tuple[Choice, ...] = ()
    default: str = ""
    """What an empty line answers, as it is shown."""
    because: str = ""
    """Why that is the default."""
    proposed: int | None = None
    """Index of the choice that the default is."""
    example: str = ""
    """What can be typed; empty where only choices are taken."""
    completes: str = ""

    def help(self) -> str:
        """Return what can be answered, one way after the other."""
        last = LETTERS[len(self.choices) - 1]
        letters = say("A letter from a to {last} takes a choice.", last=last) if self.choices else ""
        typed = say("Your own words are understood: {example}.", example=self.example) if self.example else ""
        words = say("why? explains, back returns, skip or not sure takes what I propose; / begins a command.")
        return join((letters, typed, words))

    def explanation(self) -> str:
        """Return why it is asked and why the default is one."""
        proposed = self.default and say(
            "I propose “{answer}”. {because}", answer=self.default, because=self.because
        )
        return join((self.why or self.text, proposed if self.because else ""))

    def pick(self, text: str) -> Choice:
        """Return the choice that a line means; an empty one means the proposed one. Raises `BadInput`."""
        if not text.strip() and self.proposed is not None:
            return self.choices[self.proposed]
        choice = pick(text, self.choices) or by_number(text, self.choices) if text.strip() else None
        if choice is None:
            raise BadInput(
                say("I do not understand `{text}` here.", text=text.strip()),
                remedy=say("Answer with a letter from a to {last}.", last=LETTERS[len(self.choices) - 1]),
            )
        return choice


def of_question(interview: Interview) -> Asked:
    """Return the current question of an interview."""
    question = interview.current()
    assert question is not None
    default, choices = interview.default(), interview.choices()
    proposed = next(
        (index for index, one in enumerate(choices) if one.value == default.value and not one.disabled), None
    )
    return Asked(
        text=question.text(interview.known),
        why=question.why(interview.known),
        choices=choices,
        default=default.shown,
        because=default.because,
        proposed=proposed,
        example=say(question.free_text) if question.free_text else "",
        completes=question.completes,
    )


def resuming(saved: Interview) -> Asked:
    """Return the offer to go on with answers of another time."""
    answers = [answer.shown for _, answer in saved.answered() if answer.provenance == "saved"]
    return Asked(
        text=say("Shall we go on where you stopped?"),
        why=say("You had answered: {answers}.", answers=", ".join(answers)),
        choices=(
            Choice("resume", say("Go on with these answers")),
            Choice("anew", say("Start anew"), say("the answers are forgotten")),
        ),
        proposed=0,
    )


def closing(plan: Plan | None) -> Asked:
    """Return what can be done once everything is answered."""
    refused = unstartable(plan)
    choices = (
        Choice("start", say("Start the run"), say("writes plan.yaml and begins"), refused),
        Choice("plan", say("Look at the plan"), say("every setting and its reason"), _needs(plan)),
        Choice("save", say("Save it as plan.yaml"), say("to run or edit later"), _needs(plan)),
        Choice("change", say("Change something"), say("any answer can be given again")),
    )
    text = say("The plan is ready. What now?") if plan else say("No plan is possible with these answers.")
    # Not the start: an Enter that was held too long must begin nothing.
    proposed = next(index for index, choice in enumerate(choices) if index and not choice.disabled)
    return Asked(
        text=text,
        why=say("Nothing has been started or written yet.") if plan else "",
        choices=choices,
        proposed=proposed,
        example=say("two 4090s, or best quality, or /what-if goal speed"),
    )


def what_to_change(interview: Interview) -> Asked:
    """Return the answers that can be given again."""
    choices = tuple(
        Choice(question.key, say(question.title or question.key), answer.shown)
        for question, answer in interview.answered()
    )
    return Asked(
        text=say("What shall be different?"),
        why=say("Only what depends on it is asked again."),
        choices=(*choices[: len(LETTERS) - 1], Choice("", say("Nothing"), say("back to the plan"))),
        proposed=len(choices[: len(LETTERS) - 1]),
    )


def unstartable(plan: Plan | None) -> str:
    """Return why a run cannot be started; empty if it can."""
    if plan is None:
        return say("there is no plan")
    from planner.methods import runnable
    from planner.phrases import size

    ahead = plan.forecast
    if ahead.peak_memory_bytes > ahead.memory_limit_bytes:
        return say(
            "needs about {needed}, you have {offered}",
            needed=size(ahead.peak_memory_bytes),
            offered=size(ahead.memory_limit_bytes),
        )
    if plan.facts.hardware.origin == "typed":
        return say("the machine was described and is not this one; save the plan and run it there")
    if plan.facts.data.typed:
        return say("the data was described and is not here; plan again where it is")
    why = runnable(plan)
    return join((why,)) if why else ""


def _needs(plan: Plan | None) -> str:
    return "" if plan is not None else say("there is no plan")
