"""What the parts of the app tell each other: past-tense messages, values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual.message import Message

from planner.errors import SteersmanError


@dataclass
class Working(Message):
    """A job in the background said how far it is. `total` is 0 where nobody knows."""

    job: str
    sentence: str
    done: float = 0
    total: float = 0
    unit: str = ""


@dataclass
class Worked(Message):
    """A job in the background ended with a result."""

    job: str
    result: Any


@dataclass
class Refused(Message):
    """A job in the background ended with an error that is explained; `details` is for *copy details*."""

    job: str
    error: SteersmanError
    details: str = ""


@dataclass
class Cancelled(Message):
    """A job in the background was cancelled by the person."""

    job: str


@dataclass
class LanguageChanged(Message):
    """The app speaks another language now: what is on screen is to be said again."""

    language: str
