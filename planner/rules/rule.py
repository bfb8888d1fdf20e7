"""What a rule is: one function that decides one setting and says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from planner.plan import Alternative
from planner.situation import Situation
from planner.wishes import Value

MEASURED_CPU = "measured: 2 AMD EPYC cores, SmolLM2-135M, PaddleNLP 3.0.0b4, Paddle 3.3.1"
UPSTREAM_RECIPES = "PaddleNLP 3.0.0b4 llm/config recipes"


@dataclass(frozen=True)
class Choice:
    """A rule's answer: the value, one sentence with the figures that decided it, and what was rejected."""

    value: Value
    because: str
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class Rule:
    """One decision. `choose` is pure; it reads the situation and returns a choice."""

    id: str
    setting: str
    source: str
    choose: Callable[[Situation], Choice]

    @property
    def meaning(self) -> str:
        """The first line of the rule's docstring."""
        return (self.choose.__doc__ or "").strip().splitlines()[0]


def rule(id: str, setting: str, source: str) -> Callable[[Callable[[Situation], Choice]], Rule]:  # noqa: A002
    """Turn a function into the rule `id` that decides `setting`."""

    def wrap(choose: Callable[[Situation], Choice]) -> Rule:
        return Rule(id, setting, source, choose)

    return wrap


def not_(value: Value, because: str) -> Alternative:
    """Return one rejected value with its reason."""
    return Alternative(value=value, because=because)
