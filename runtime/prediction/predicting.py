"""Read rows, ask the worker in batches, write each batch's answers before the next one is asked."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from planner.errors import BadInput
from planner.language import say
from runtime.data.sources import open_file
from runtime.line_worker import LineWorker
from runtime.prediction.answer_file import AnswerFile, Line
from runtime.prediction.place import Place
from runtime.prediction.prompts import Asked, NoQuestion, asked


@dataclass
class Counts:
    """How far it is."""

    answered: int = 0
    """Rows in the file, those of earlier calls included."""
    earlier: int = 0
    failed: int = 0
    """Of the answered ones, those that got an error instead."""
    cut: int = 0
    """Answers of this call that met the limit of new tokens."""
    tokens: int = 0
    read: int = 0
    """How much of the data file was read, in the unit of `size`."""
    size: int = 0
    seconds: float = 0.0


class Row(NamedTuple):
    """A row of the data: its number from 1, and what it asks or why not."""

    number: int
    question: Asked | None
    problem: str
    end: int


Report = Callable[[Counts], None]


def rows_of(path: Path, counts: Counts) -> Iterator[Row]:
    """Yield what each row asks, streamed."""
    file = open_file(path)
    counts.size = file.size
    for raw in file.rows():
        question, problem = None, raw.problem
        if not problem:
            try:
                question = asked(raw.value)
            except NoQuestion as error:
                problem = str(error)
        yield Row(raw.row, question, problem, raw.end)


def skip_answered(rows: Iterator[Row], file: AnswerFile, settings: Line, counts: Counts) -> None:
    """Move on past the rows that the file answers. BadInput when it answers other rows, or otherwise."""
    for line in file.lines():
        row = next(rows, None)
        other = row is None or line["row"] != row.number
        if row is not None and row.question is not None and "prompt" in line:
            other = other or line["prompt"] != row.question.messages
        if other:
            raise BadInput(
                say("{path} holds answers to other rows than those of the data.", path=file.path),
                remedy=say("Name another file with --out, or remove it."),
            )
        for name, value in settings.items():
            if line.get(name, value) != value:
                raise BadInput(
                    say(
                        "{path} was begun with {name} {earlier}, and now it is {value}.",
                        path=file.path,
                        name=name,
                        earlier=line[name],
                        value=value,
                    ),
                    remedy=say("Name another file with --out, or remove it."),
                )
        assert row is not None
        counts.answered += 1
        counts.earlier += 1
        counts.failed += "error" in line
        counts.read = row.end


def line_of(row: Row, reply: dict[str, Any] | None, settings: Line) -> Line:
    """Return what is written for a row."""
    if row.question is None:
        return {"row": row.number, "error": row.problem}
    assert reply is not None
    if reply["kind"] == "refused":
        return {"row": row.number, "prompt": row.question.messages, "error": reply["what"]}
    line = {"row": row.number, "prompt": row.question.messages, "answer": reply["text"]}
    line |= {"ended": reply["ended"], "tokens": reply["tokens"], "prompt_tokens": reply["prompt_tokens"]}
    if row.question.reference is not None:
        line["reference"] = row.question.reference
    return line | settings


def answer_batch(
    worker: LineWorker, batch: list[Row], file: AnswerFile, settings: Line, counts: Counts
) -> None:
    """Ask for a batch and write its answers in order; when interrupted, as many as are complete."""
    replies: dict[int, dict[str, Any]] = {}
    request = {
        "rows": [{"row": row.number, "messages": row.question.messages} for row in batch if row.question],
        "max_new_tokens": settings["max_new_tokens"],
    }
    try:
        if request["rows"]:
            for reply in worker.request(request):
                if "row" in reply:
                    replies[reply["row"]] = reply
    finally:
        complete = list(itertools.takewhile(lambda row: not row.question or row.number in replies, batch))
        lines = [line_of(row, replies.get(row.number), settings) for row in complete]
        file.append(lines)
        counts.answered += len(lines)
        counts.failed += sum("error" in line for line in lines)
        counts.cut += sum(not line.get("ended", True) for line in lines)
        counts.tokens += sum(int(line.get("tokens", 0)) for line in lines)
        counts.read = complete[-1].end if complete else counts.read


def predict(
    place: Place, data: Path, out: Path, *, max_new_tokens: int, batch_size: int, report: Report
) -> Counts:
    """Answer every row of `data` that `out` does not answer yet; `report` is called after each batch.

    Raises `BadInput` for files that cannot be used and `StageFailed` when the worker fails. Whatever ends it,
    `out` holds whole lines, and the same call goes on behind them.
    """
    counts, started = Counts(), time.monotonic()
    rows = rows_of(data, counts)
    settings: Line = {"model": place.which, "max_new_tokens": max_new_tokens}
    with AnswerFile(out) as file:
        skip_answered(rows, file, settings, counts)
        report(counts)
        batch = list(itertools.islice(rows, batch_size))
        if not batch:
            return counts
        folder = place.run.root / "predict"
        spec = {"base": str(place.base), "model": str(place.model), "which": place.which}
        with LineWorker("predict", folder, place.python, place.environment, spec) as worker:
            while batch:
                answer_batch(worker, batch, file, settings, counts)
                counts.seconds = time.monotonic() - started
                report(counts)
                batch = list(itertools.islice(rows, batch_size))
    return counts
