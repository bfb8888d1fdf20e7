"""What a question is: words, choices, a default with its reason, and how free text is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from planner.facts import DataFacts, HardwareFacts, ModelFacts
from planner.plan import Plan
from planner.wishes import Value

Provenance = Literal["typed", "flag", "saved", "detected", "default"]
"""Where an answer comes from, strongest first."""


@dataclass(frozen=True)
class Answer:
    """One answer. `value` is None where the person leaves it to the planner."""

    value: Value | None
    shown: str
    """The value as the person reads it, in their language."""
    provenance: Provenance
    because: str = ""
    """Why this is the default, or what was found; empty for what was typed."""


@dataclass(frozen=True)
class Choice:
    """One choice of a question; a disabled one says why it cannot be taken."""

    value: Value | None
    label: str
    because: str = ""
    """What it means or costs, in a few words."""
    disabled: str = ""
    """Why it cannot be chosen, with figures; empty when it can."""


@dataclass(frozen=True)
class Known:
    """What is known while questions are asked."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    model: ModelFacts | None = None
    data: DataFacts | None = None
    hardware: HardwareFacts | None = None
    files: tuple[str, ...] = ()
    """Data files near the person, as paths that can be typed."""
    plan: Plan | None = None
    """The plan so far, once there are facts for one."""
    pins: Mapping[str, Value] = field(default_factory=dict)

    def value(self, key: str) -> Value | None:
        """Return the value of an answer; None where there is none or the planner decides."""
        answer = self.answers.get(key)
        return answer.value if answer else None


@dataclass(frozen=True)
class Question:
    """One question. All texts are functions, as they are said in the language of the moment."""

    key: str
    text: Callable[[Known], str]
    why: Callable[[Known], str]
    """Why it matters, in one line."""
    default: Callable[[Known], Answer]
    choices: Callable[[Known], tuple[Choice, ...]]
    read: Callable[[str, Known], Answer]
    """Understands free text, in either language; raises `BadInput` in one sentence."""
    when: Callable[[Known], bool] = lambda known: True
    """Whether it is asked at all: False when it is known, detected or without effect."""
    needs: tuple[str, ...] = ()
    """Questions whose changed answer reopens this one."""
    title: str = ""
    """Short name beside its answer, as a template: `say(question.title)`."""
    price: Callable[[Known], tuple[Choice, ...]] | None = None
    """The choices with figures, and those that cannot be had disabled; it may take a second or two."""
    free_text: str = ""
    """Example of what can be typed, as a template; empty where only choices are taken."""
    completes: Literal["", "model", "path", "hardware"] = ""
    """What free text is completed from."""
