"""What was said in a conversation: small entries, in the order in which they came."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rich.console import RenderableType

Kind = Literal["greeting", "answer", "explanation", "finding", "note", "error", "plan", "page"]
Said = Callable[[], RenderableType]
"""Says something in the language of the moment."""

MOST_ENTRIES = 120
"""Entries that are kept; the oldest go first, but never an answer."""


@dataclass(frozen=True)
class Entry:
    """One thing that was said."""

    number: int
    kind: Kind
    text: Said
    title: Said | None = None
    key: str = ""
    """Question of an answer."""
    details: str = ""
    """For *copy details*."""


class Transcript:
    """Entries in order. Answers stand once each, where they were given last."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._numbers = itertools.count()

    def tell(self, kind: Kind, text: Said, *, title: Said | None = None, details: str = "") -> Entry:
        """Add an entry at the end."""
        entry = Entry(next(self._numbers), kind, text, title, details=details)
        self.entries.append(entry)
        self._prune()
        return entry

    def answers(self, keys: tuple[str, ...]) -> None:
        """Show the answers of these questions and of no others."""
        self.entries = [entry for entry in self.entries if entry.kind != "answer" or entry.key in keys]
        shown = {entry.key for entry in self.entries}
        for key in keys:
            if key not in shown:
                self.entries.append(Entry(next(self._numbers), "answer", lambda: "", key=key))

    def clear_errors(self) -> None:
        """Forget what went wrong with an answer once another was given."""
        self.entries = [entry for entry in self.entries if entry.kind != "error" or entry.details]

    def _prune(self) -> None:
        spare = len(self.entries) - MOST_ENTRIES
        if spare > 0:
            old = [entry.number for entry in self.entries if entry.kind != "answer"][:spare]
            self.entries = [entry for entry in self.entries if entry.number not in old]
