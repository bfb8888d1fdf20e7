"""What each choice would cost: a plan is made for every one, and those that cannot be had say why.

Pure, but not instant: some tenths of a second for a question. Front ends call it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from planner.data_text import parse
from planner.errors import BadInput, NothingFeasible
from planner.facts import DataFacts, Facts, HardwareFacts, ModelFacts
from planner.interview.question import Answer, Choice, Known, Question
from planner.interview.request import wishes
from planner.language import say
from planner.phrases import duration, size
from planner.plan import Plan
from planner.unused import TRAINING_STAGES

ASSUMED_ROWS, ASSUMED_TOKENS = 1000, "350:2048"
"""Data of ordinary chats, while a person's own is not known: only memory is told of it, never time."""


def priced(question: Question, known: Known) -> tuple[Choice, ...]:
    """Return a question's choices with figures, and those that cannot be had disabled."""
    return question.choices(known) if question.price is None else question.price(known)


def by_answer(key: str, choices: Iterable[Choice], known: Known) -> tuple[Choice, ...]:
    """Return choices priced by the plan that each answer to question `key` would lead to."""
    if known.model is None or known.hardware is None:
        return tuple(choices)
    plain = tuple(choices)
    figured = tuple(
        choice
        if choice.disabled
        else _figured(choice, known.model, known.hardware, _with(known, key, choice))
        for choice in plain
    )
    return _where_they_differ(plain, figured)


def by_model(choices: Iterable[Choice], models: Iterable[ModelFacts], known: Known) -> tuple[Choice, ...]:
    """Return choices of models priced by the plan that each would lead to."""
    if known.hardware is None:
        return tuple(choices)
    without = replace(known, answers={key: one for key, one in known.answers.items() if key != "method"})
    hardware, plain = known.hardware, tuple(choices)
    figured = (
        _figured(replace(choice, because=""), model, hardware, without)
        for choice, model in zip(plain, models, strict=True)
    )
    # The figures first: where a line is cut, they decide more than what there is to fetch.
    return tuple(
        one if one.disabled else replace(one, because=_joined(one.because, choice.because))
        for choice, one in zip(plain, figured, strict=True)
    )


def _figured(choice: Choice, model: ModelFacts, hardware: HardwareFacts, known: Known) -> Choice:
    from planner.solve import make_plan  # here, because asking needs no search

    asked = wishes(known)
    facts = Facts(model=model, data=known.data or assumed(asked.stage), hardware=hardware)
    try:
        plan = make_plan(facts, asked, alternatives=False)
    except (NothingFeasible, BadInput) as error:
        return replace(choice, disabled=why_not(error, hardware))
    return replace(choice, because=_joined(choice.because, figures(plan, known.data is not None)))


def _where_they_differ(plain: tuple[Choice, ...], figured: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """Return choices with figures, or without where these are the same for all: then they decide nothing."""
    possible = [(without, one) for without, one in zip(plain, figured, strict=True) if not one.disabled]
    told = {one.because.removeprefix(without.because) for without, one in possible}
    if len(possible) < 2 or len(told) > 1:
        return figured
    return tuple(one if one.disabled else without for without, one in zip(plain, figured, strict=True))


def figures(plan: Plan, timed: bool) -> str:
    """Return memory and time of a plan in a few words."""
    ahead = plan.forecast
    if plan.wishes.stage not in TRAINING_STAGES:
        return size(ahead.peak_memory_bytes)
    words = {"method": plan.value("method"), "memory": size(ahead.peak_memory_bytes)}
    if not timed:
        return say("{method}, {memory}", **words)
    return say("{method}, {memory}, about {time}", **words, time=duration(ahead.train_seconds))


def why_not(error: NothingFeasible | BadInput, hardware: HardwareFacts) -> str:
    """Return why a plan cannot be made: with two figures where memory is short."""
    from planner.search.base import HEADROOM
    from planner.search.nothing import DoesNotFit

    if isinstance(error, DoesNotFit) and error.peak:
        return say(
            "needs about {needed}, you have {memory}",
            needed=size(error.peak / HEADROOM),
            memory=size(error.limit if hardware.devices else memory_of(hardware)),
        )
    return error.what


def memory_of(hardware: HardwareFacts) -> int:
    """Return the bytes of one device, or of a machine without one."""
    if hardware.devices:
        return min(device.memory_bytes for device in hardware.devices)
    return hardware.memory_bytes


def assumed(stage: str) -> DataFacts:
    """Return the data that is assumed until it is known."""
    return parse(ASSUMED_ROWS, ASSUMED_TOKENS, stage)


def _with(known: Known, key: str, choice: Choice) -> Known:
    """Return the known as if a choice had been taken."""
    answer = Answer(choice.value, choice.label, "typed")
    return replace(known, answers={**known.answers, key: answer})


def _joined(words: str, figures: str) -> str:
    if not (words and figures):
        return words or figures
    return say("{words}; {figures}", words=words, figures=figures)
