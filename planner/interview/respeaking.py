"""Answers in the language of the moment: what was said in another one is said again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from planner.errors import BadInput
from planner.interview.question import Answer, Known, Question


def respoken(questions: Iterable[Question], known: Known) -> dict[str, Answer]:
    """Return the answers with their words in the present language, without detected ones: these will be
    detected again."""
    return {
        question.key: said_again(question, known.answers[question.key], known)
        for question in questions
        if question.key in known.answers and known.answers[question.key].provenance != "detected"
    }


def said_again(question: Question, answer: Answer, known: Known) -> Answer:
    """Return one answer in the present language."""
    label = next((one.label for one in question.choices(known) if one.value == answer.value), None)
    if label is None and answer.value is not None:
        try:
            label = question.read(str(answer.value), known).shown
        except BadInput:
            label = answer.shown
    default = question.default(known)
    by_default = answer.provenance == "default" and default.value == answer.value
    because = default.because if by_default else answer.because
    return replace(answer, shown=label or answer.shown, because=because)
