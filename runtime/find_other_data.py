"""Data for other kinds of training: preference pairs, judged answers, plain texts. Counted for a plan; a run
prepares conversations only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from planner.errors import BadInput
from planner.facts import DataFacts
from planner.language import say
from runtime.data.bundled import resolve_data
from runtime.data.language import SAMPLED_CHARACTERS, SAMPLED_ROWS, main_language
from runtime.data.lengths import LengthCounter
from runtime.data.row_pass import BATCH_ROWS, PEEK_ROWS, ProgressCall
from runtime.data.sources import Source, fingerprint, open_source
from runtime.data.tokens import load_counter

Layout = Literal["preference", "labelled", "text"]

LABELS = ("label", "kto_tag")
ANSWERS: dict[Layout, tuple[str, ...]] = {
    "preference": ("chosen", "rejected", "response"),
    "labelled": ("completion", "response", "output", "answer"),
    "text": ("text",),
}
"""Layout -> fields that carry loss. Rows in PaddleNLP's own layout have `response` and `sort`."""

NOT_TEXT = ("id", "source", "sort", "score", "margin", *LABELS)
"""Fields that no model sees."""


def other_layout(path: Path) -> Layout | None:
    """Return the layout of data that is no set of conversations; None for anything else, also for what
    cannot be read, of which the scan will say more."""
    try:
        files = open_source(path).train
        rows = [raw.value for raw in itertools.islice(files[0].rows(), PEEK_ROWS)]
    except BadInput:
        return None
    return layout_of([row for row in rows if isinstance(row, Mapping)])


def layout_of(rows: list[Mapping[str, Any]]) -> Layout | None:
    """Return the layout that every row has; None where there is none, or it is one of conversations."""
    if not rows:
        return None
    if all({"chosen", "rejected"} <= set(row) or {"response", "sort"} <= set(row) for row in rows):
        return "preference"
    if all(any(isinstance(row.get(name), bool) for name in LABELS) for row in rows):
        return "labelled"
    return "text" if all(isinstance(row.get("text"), str) and not spoken(row) for row in rows) else None


def spoken(row: Mapping[str, Any]) -> bool:
    """Return whether a row has the fields of a conversation beside its text."""
    return bool({"messages", "conversations", "instruction", "src"} & set(row))


def read_other(
    name: str, layout: Layout, model_folder: Path | None, *, dev_fraction: float, progress: ProgressCall
) -> DataFacts:
    """Return the facts of such data: every row counted whole, both answers of a pair together."""
    source = open_source(resolve_data(name))
    counter = load_counter(model_folder)
    lengths, texts = LengthCounter(), list[str]()
    usable, unusable = {"train": 0, "dev": 0}, 0
    for role, batch in batches(source):
        rows = [row for row in (parts(raw, layout) for raw in batch) if row is not None]
        unusable += len(batch) - len(rows)
        usable[role] += len(rows)
        texts += [" ".join(row)[:SAMPLED_CHARACTERS] for row in rows[: SAMPLED_ROWS - len(texts)]]
        if role == "train":
            counts = iter(counter.count([text for row in rows for text in row]))
            for prompt, answers in zip(counts, counts, strict=True):
                lengths.add(prompt + answers, answers)
        progress(0, 0, "rows", say("{rows:,} rows", rows=sum(usable.values())))
    if not usable["train"]:
        raise BadInput(say("{path}: none of the rows can be used.", path=name))
    held_out = 0 if usable["dev"] else min(usable["train"] - 1, round(usable["train"] * dev_fraction))
    return DataFacts(
        path=name,
        format=layout,
        train_rows=usable["train"] - held_out,
        dev_rows=usable["dev"] or held_out,
        dev_given=bool(usable["dev"]),
        unusable_rows=unusable,
        language=main_language(texts),
        lengths=lengths.facts(counter.exact),
        fingerprint=fingerprint(source),
    )


def batches(source: Source) -> Iterator[tuple[str, list[Any]]]:
    """Yield the rows of every file, some hundred at a time, with what the file is for."""
    for role, files in (("train", source.train), ("dev", source.dev)):
        for file in files:
            rows = file.rows()
            while batch := [raw.value for raw in itertools.islice(rows, BATCH_ROWS)]:
                yield role, batch


def parts(row: Any, layout: Layout) -> tuple[str, str] | None:
    """Return (prompt, what carries loss) of one row; None where there is nothing to learn from."""
    if not isinstance(row, Mapping):
        return None
    names = ANSWERS[layout]
    answers = "\n".join(text for name in names for text in strings(row.get(name)))
    prompt = "\n".join(
        text
        for name, value in row.items()
        if name not in (*names, *NOT_TEXT) and layout != "text"
        for text in strings(value)
    )
    return (prompt, answers) if answers.strip() else None


def strings(value: Any) -> Iterator[str]:
    """Yield the texts of a field: itself, or those of its turns without the names of their roles."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for entry in value:
            yield from strings(entry)
    elif isinstance(value, Mapping):
        yield from strings(value.get("content", value.get("value")))
