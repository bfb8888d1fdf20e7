"""Jobs that read the data of a plan as it will be trained on: the first rows at once, then all of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING

from planner.errors import BadInput
from planner.language import say
from planner.plan import Plan
from tui.app.work import Reporter

if TYPE_CHECKING:
    from runtime.data.masked_row import Token
    from runtime.data.row_pass import Sample
    from runtime.data.scan import Scan
    from runtime.data.tokens import TokenCounter

FIRST_ROWS = 100
"""Rows that can be looked at."""


@dataclass(frozen=True)
class Row:
    """One row, token by token."""

    sample: Sample
    tokens: tuple[Token, ...]
    rejected: int | None = None
    """Index of the token with which the worse of two answers begins; None where there is one answer."""
    passages: tuple[int, ...] = ()
    """Indices of the tokens with which the passages of a query begin; nothing of such a row is written."""


def read_first_rows(plan: Plan, file: Path | None, reporter: Reporter) -> tuple[Row, ...]:
    """Return the first training rows of the plan's data, cut to the plan's lengths.

    `file` is where the plan is saved, if it is: the data may lie beside it.
    """
    from runtime.data.first_rows import first_rows
    from runtime.data.tokens import load_counter
    from runtime.run.place import path_of_data

    refuse_described(plan)
    reporter.say(say("Reading the tokenizer"))
    counter = load_counter(folder_of(plan, reporter))
    reporter.say(say("Reading the first rows"))
    samples = first_rows(
        path_of_data(plan, file),
        counter,
        max_length=number(plan, "max_length"),
        src_length=number(plan, "src_length"),
        seed=number(plan, "seed"),
        rows=FIRST_ROWS,
    )
    limit = number(plan, "max_length")
    return tuple(shown(counter, sample, limit) for sample in samples)


def shown(counter: TokenCounter, sample: Sample, limit: int) -> Row:
    """Return a row token by token, up to the longest that is trained on."""
    from runtime.data.masked_row import masked_row

    if sample.kind == "retrieval":
        texts = [text for part in sample.parts for text in part if text]
        vectors = [masked_row(counter, [(text, "")], limit) for text in texts]
        begins = accumulate(map(len, vectors[:-1]))
        return Row(sample, tuple(chain.from_iterable(vectors)), passages=tuple(begins))
    tokens = masked_row(counter, sample.parts, limit)
    better = masked_row(counter, sample.parts[:-1], limit) if sample.kind == "preference" else ()
    return Row(sample, tokens, len(better) or None)


def read_everything(plan: Plan, file: Path | None, reporter: Reporter) -> Scan:
    """Return what a scan of all rows finds, with the plan's lengths and split."""
    from runtime.data.scan import scan
    from runtime.run.place import path_of_data

    refuse_described(plan)
    data = plan.facts.data
    return scan(
        path_of_data(plan, file),
        folder_of(plan, reporter),
        max_length=number(plan, "max_length"),
        src_length=number(plan, "src_length"),
        seed=number(plan, "seed"),
        dev_fraction=data.dev_rows / (data.train_rows + data.dev_rows),
        samples=FIRST_ROWS,
        progress=reporter.progress,
    )


def folder_of(plan: Plan, reporter: Reporter) -> Path | None:
    """Return the folder with the model's tokenizer; None when lengths have to be estimated."""
    from runtime.acquire.tokenizer import tokenizer_folder

    return tokenizer_folder(plan.facts.model, reporter.say, reporter.progress)


def refuse_described(plan: Plan) -> None:
    """Say that data which was only described cannot be looked at."""
    if plan.facts.data.typed:
        raise BadInput(
            say("The data of this plan was described, and is not here to be looked at."),
            remedy=say("Make the plan with the data itself, or copy the plan to where the data is."),
        )


def number(plan: Plan, setting: str) -> int:
    """Return the value of a setting that is a whole number."""
    return int(str(plan.value(setting)))
