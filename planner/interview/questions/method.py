"""The method: every weight or an adapter; left to the planner unless the person knows better."""

from __future__ import annotations

from planner.interview.pricing import by_answer
from planner.interview.question import Answer, Choice, Known, Question
from planner.interview.reading import by_words, not_understood
from planner.language import say, template
from planner.methods import methods
from planner.unused import TRAINING_STAGES

OFFERED = {
    "lora": template("LoRA: a small adapter beside frozen weights"),
    "full": template("full: every weight"),
    "qlora": template("QLoRA: an adapter beside weights in few bits"),
}
"""Method -> what it trains. The rarer ones can be typed."""

OPEN = template("the planner decides")


def choices(known: Known) -> tuple[Choice, ...]:
    """Return the planner's choice, and the three methods that most people mean."""
    return (Choice(None, say(OPEN)), *(Choice(name, say(title)) for name, title in OFFERED.items()))


def read(text: str, known: Known) -> Answer:
    """Return the method that is meant; raises `BadInput`."""
    name = by_words(text, "method")
    if name is None:
        raise not_understood(text, methods())
    if not name:
        return Answer(None, say(OPEN), "typed")
    return Answer(name, say(OFFERED[name]) if name in OFFERED else methods()[name].title, "typed")


QUESTION = Question(
    key="method",
    title=template("Method"),
    text=lambda known: say("How should it be trained?"),
    why=lambda known: say("Training every weight can learn more; an adapter needs far less memory."),
    default=lambda known: Answer(
        None, say(OPEN), "default", say("It compares every way that fits and takes the best for your goal.")
    ),
    choices=choices,
    read=read,
    when=lambda known: (known.value("stage") or "sft") in TRAINING_STAGES,
    needs=("model", "data", "hardware", "stage"),
    price=lambda known: by_answer("method", choices(known), known),
    free_text=template("full, lora, qlora"),
)
