"""Say in sentences what became of the rows of a split: how many, how long, cut, left out."""

from __future__ import annotations

from collections.abc import Sized
from typing import Protocol

from runtime.workers.emit import Emitter
from runtime.workers.speech import say


class Split(Protocol):
    """Rows as they will be trained on, and what was counted while they were encoded."""

    @property
    def dataset(self) -> Sized:
        """Sequences: packs, or rows."""

    @property
    def rows(self) -> int:
        """Rows that are trained on."""

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""

    @property
    def answer_tokens(self) -> int:
        """Tokens with loss."""

    @property
    def cut_rows(self) -> int:
        """Rows that were too long."""

    @property
    def silent_rows(self) -> int:
        """Rows of which nothing with loss was left."""


def report(name: str, split: Split, emitter: Emitter, *, packed: bool, longest: int) -> None:
    """Say it. `name` is that of the split; `longest` is the largest number of tokens of a sequence."""
    packs = say(", packed into {count} sequences", count=len(split.dataset)) if packed else ""
    emitter.log(
        say(
            "{rows} {name} rows, {tokens} tokens, {answer_tokens} of them answers{packs}.",
            rows=split.rows,
            name=name,
            tokens=split.tokens,
            answer_tokens=split.answer_tokens,
            packs=packs,
        )
    )
    if split.cut_rows:
        emitter.log(
            say(
                "{cut_rows} {name} row(s) were cut to {max_length} tokens.",
                cut_rows=split.cut_rows,
                name=name,
                max_length=longest,
            ),
            level="warning",
        )
    if split.silent_rows:
        emitter.log(
            say(
                "{silent_rows} {name} row(s) have no answer token left and are not trained on.",
                silent_rows=split.silent_rows,
                name=name,
            ),
            level="warning",
        )
