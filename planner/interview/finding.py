"""What a front end must find for the interview, and what it found: facts by the text that they came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from planner.facts import DataFacts, HardwareFacts, ModelFacts

What = Literal["model", "data", "hardware"]


class ToFind(NamedTuple):
    """One thing to be found next."""

    what: What
    text: str | None
    """What the person named; None: this machine."""
    model: ModelFacts | None = None
    """For data: the model whose tokenizer counts."""


class Found(NamedTuple):
    """Facts, and one sentence about where they come from."""

    facts: ModelFacts | DataFacts | HardwareFacts
    because: str = ""


class Source(NamedTuple):
    """What facts were found from. Data is counted by a model's tokenizer, so they belong to both."""

    what: What
    text: str | None
    model: str = ""


FoundBefore = Mapping[Source, Found]
"""Everything that was found while the questions were asked: going back finds nothing twice."""
