"""Answers as plain data, and back: what means nothing any more is dropped and asked again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from planner.errors import BadInput
from planner.interview.question import Answer, Known, Question
from planner.refusals import checked_pins
from planner.wishes import Value

VERSION = 1


def to_saved(known: Known) -> dict[str, Any]:
    """Return what a person answered and fixed; what was detected will be detected again."""
    answers = {
        key: plain(answer.value) for key, answer in known.answers.items() if answer.provenance != "detected"
    }
    return {
        "version": VERSION,
        "answers": answers,
        "pins": {name: plain(value) for name, value in known.pins.items()},
    }


def from_saved(
    data: object, questions: tuple[Question, ...], known: Known
) -> tuple[dict[str, Answer], dict[str, Value]]:
    """Return the saved answers and pins that still mean something."""
    if not isinstance(data, dict) or data.get("version") != VERSION:
        return {}, {}
    answers: dict[str, Answer] = {}
    saved = data.get("answers")
    for question in questions:
        if isinstance(saved, dict) and question.key in saved:
            answer = again(question, saved[question.key], known)
            if answer is not None:
                answers[question.key] = answer
    return answers, good_pins(data.get("pins"))


def again(question: Question, value: object, known: Known) -> Answer | None:
    """Return one saved answer read again, as if it had been typed; None where it cannot be read any more."""
    if value is None:
        open_choice = next((one for one in question.choices(known) if one.value is None), None)
        return None if open_choice is None else Answer(None, open_choice.label, "saved")
    if not isinstance(value, str | int | float):
        return None
    try:
        return replace(question.read(str(value), known), provenance="saved")
    except BadInput:
        return None


def good_pins(saved: object) -> dict[str, Value]:
    """Return the saved pins that are still settings with such a value."""
    pins: dict[str, Value] = {}
    for name, value in saved.items() if isinstance(saved, dict) else ():
        try:
            pins |= checked_pins({str(name): value}, "")
        except BadInput:
            continue
    return pins


def plain(value: Value | None) -> object:
    """Return a value that JSON holds."""
    return list(value) if isinstance(value, tuple) else value
