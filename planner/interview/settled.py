"""What follows from answers and findings by itself: facts of described things, detected answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from planner import hardware_text
from planner.facts import DataFacts, HardwareFacts, ModelFacts
from planner.interview.finding import FoundBefore, Source, ToFind, What
from planner.interview.question import Answer, Known
from planner.interview.questions import data as data_question
from planner.interview.questions import stage as stage_question
from planner.language import say
from planner.phrases import machine, parameters, plural


def settled(known: Known, found: FoundBefore, reopened: Mapping[str, Answer | None]) -> Known:
    """Return the known with the facts that belong to its answers, and what can be detected from them."""
    known = with_hardware(known, found, "hardware" not in reopened)
    known = with_model(known, found)
    known = with_data(known, found)
    answers = dict(known.answers)
    if "stage" in answers and stage_question.refusal(str(answers["stage"].value), known):
        del answers["stage"]
    if "stage" not in answers and "stage" not in reopened and known.data is not None:
        detected = stage_question.detect(known.data)
        if detected is not None:
            answers["stage"] = detected
    return replace(known, answers=answers)


def source_of(known: Known, what: str, sought: ToFind | None = None) -> Source:
    """Return what facts of a kind are filed under: the answer they were sought for, by default the present
    one."""
    kind = cast(What, what)
    value = known.value(what)
    text = sought.text if sought is not None else None if value is None else str(value)
    if kind != "data":
        return Source(kind, text)
    model = sought.model if sought is not None and sought.model is not None else known.model
    return Source(kind, text, model.source.id if model is not None else "")


def with_hardware(known: Known, found: FoundBefore, detects: bool) -> Known:
    """Return the known with the described machine, or this one once it was probed."""
    answers = dict(known.answers)
    here = found.get(Source("hardware", None))
    answer = answers.get("hardware")
    if answer is None and here is not None and detects:
        description = machine(cast(HardwareFacts, here.facts))
        because = here.because or say("I looked at this machine.")
        answers["hardware"] = Answer(None, description, "detected", because)
    if answer is not None and answer.value is not None:
        facts: HardwareFacts | None = hardware_text.parse(str(answer.value))
    else:
        facts = cast(HardwareFacts, here.facts) if here is not None else None
        if answer is not None and facts is not None:
            answers["hardware"] = replace(answer, shown=machine(facts))
    return replace(known, answers=answers, hardware=facts)


def with_model(known: Known, found: FoundBefore) -> Known:
    """Return the known with the model's facts, if it was found."""
    answer = known.answers.get("model")
    entry = found.get(source_of(known, "model")) if answer is not None else None
    if answer is None or entry is None:
        return replace(known, model=None)
    facts = cast(ModelFacts, entry.facts)
    shown = say("{name} ({parameters} weights)", name=facts.name, parameters=parameters(facts.parameters))
    told = replace(answer, shown=shown, because=answer.because or entry.because)
    return replace(known, answers={**known.answers, "model": told}, model=facts)


def with_data(known: Known, found: FoundBefore) -> Known:
    """Return the known with the data's facts, if it was read or is described."""
    answer = known.answers.get("data")
    if answer is None:
        return replace(known, data=None)
    stage = str(known.value("stage") or "sft")
    facts = data_question.described(str(answer.value), stage)
    because = ""
    if facts is None:
        entry = found.get(source_of(known, "data"))
        facts = cast(DataFacts, entry.facts) if entry is not None else None
        because = entry.because if entry is not None else ""
    if facts is None:
        return replace(known, data=None)
    shown = say(
        "{path} ({rows}, {mean:.0f} tokens on average)",
        path=say("elsewhere") if facts.typed else facts.path,
        rows=plural(facts.train_rows + facts.dev_rows, "row"),
        mean=facts.lengths.mean,
    )
    told = replace(answer, shown=shown, because=answer.because or because)
    return replace(known, answers={**known.answers, "data": told}, data=facts)
