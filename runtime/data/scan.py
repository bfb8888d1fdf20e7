"""One pass over a data set: every row judged and measured; nothing of the size of the file is kept."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from planner.errors import BadInput
from planner.facts import DataFacts, FormatName
from planner.language import say
from runtime.data.bundled import resolve_data
from runtime.data.findings import Finding, FindingLog
from runtime.data.formats import LAYOUTS, STAGES, Format, kind_of
from runtime.data.language import main_language
from runtime.data.lengths import LengthCounter
from runtime.data.near import NearRows
from runtime.data.row_pass import ProgressCall, RowPass, Sample, Sink
from runtime.data.sources import Source, fingerprint, open_source
from runtime.data.split import DevSplit
from runtime.data.tokens import load_counter


@dataclass(frozen=True)
class Scan:
    """What a scan found."""

    facts: DataFacts
    findings: tuple[Finding, ...]
    finding_counts: dict[str, int]
    samples: tuple[Sample, ...]
    histogram: list[tuple[int, int, int]]
    rows_read: int
    suggested_max_length: int
    has_system: bool
    dev_hashes: frozenset[int] = frozenset()
    """Samples with such a `value` are held out for evaluation."""
    uncut: LengthCounter = field(default_factory=LengthCounter)
    """Lengths of all training rows, those to be held out included, before anything was cut to fit."""


def scan(
    path: str,
    model_folder: Path | None,
    *,
    max_length: int | None = None,
    src_length: int | None = None,
    seed: int = 42,
    dev_fraction: float = 0.05,
    sink: Sink | None = None,
    findings_sink: IO[str] | None = None,
    progress: ProgressCall = lambda done, total, unit, message: None,
    samples: int = 2,
    expected_fingerprint: str | None = None,
    stage: str | None = None,
    near: bool = False,
) -> Scan:
    """Return the facts, findings and samples of a data set (a path or a bundled name).

    `model_folder` is a Hugging Face folder: its tokenizer counts, its chat template renders. Without it (or
    without its tokenizer.json) lengths are estimated and `facts.lengths.counted` is False. With `max_length`
    rows are cut to fit as `runtime.data.fitting.fit` says, and counted as they will be trained on;
    `src_length` is half of it unless given. `stage` is the training that the data is for; None: whatever it
    is made for. `near` looks for rows that nearly repeat others, too. Raises `BadInput` for data that cannot
    be read, has no usable row, or is made for another stage.
    """
    source = open_source(resolve_data(path, progress))
    counter = load_counter(model_folder)
    limits = None if max_length is None else (max_length, src_length or max_length // 2)
    split = DevSplit(0.0 if source.dev else dev_fraction)
    log = FindingLog(sink=findings_sink)
    state = RowPass(source, counter, limits, seed, log, sink, samples, split, stage)
    state.near = NearRows() if near else None
    print_of_bytes = _fingerprint(source, progress)
    require_same(expected_fingerprint, print_of_bytes, path)
    for role, files in (("train", source.train), ("dev", source.dev)):
        for number, file in enumerate(files):
            state.read(role, number, file, progress)
        if files and not state.usable[role]:
            raise _nothing_usable(path, role, state)
    return _result(state, path, print_of_bytes)


def _fingerprint(source: Source, progress: ProgressCall) -> str:
    total = sum(file.path.stat().st_size for file in source.files)
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        progress(done, total, "bytes", say("checking the bytes"))

    return fingerprint(source, count)


def require_same(expected: str | None, found: str, path: str) -> None:
    """Raise `BadInput` when the data is not what the plan was made for."""
    if expected is not None and found != expected:
        raise BadInput(
            say("The data in {path} has changed since the plan was made.", path=path),
            why=say("Its lengths and row counts decided on settings of the plan."),
            remedy=say("Make the plan again: steersman plan."),
        )


def _nothing_usable(path: str, role: str, state: RowPass) -> BadInput:
    """Explain a split without a single row to train on, by its commonest defect."""
    errors = [finding for finding in state.log.first() if finding.kind.severity == "error"]
    worst = max(errors, key=lambda finding: state.log.counts[finding.code], default=None)
    what = (
        say("{path}: none of the train rows can be used.", path=path)
        if role == "train"
        else say("{path}: none of the dev rows can be used.", path=path)
    )
    if worst is None:
        return BadInput(what)
    count = state.log.counts[worst.code]
    why = say(
        "{count} rows: {title}. First: {first}",
        count=count,
        title=say(worst.kind.title),
        first=worst.sentence(),
    )
    return BadInput(what, why=why)


def _result(state: RowPass, path: str, print_of_bytes: str) -> Scan:
    """Return what was found, once all files are read."""
    layout = state.format or "messages"
    suggested = suggest_max_length(state.lengths)
    histogram = state.lengths.histogram()
    chosen = state.split.chosen()
    for held in itertools.chain.from_iterable(chosen.values()):
        state.lengths.add(held.tokens, held.answer_tokens, -1)
    moved = sum(map(len, chosen.values()))
    facts = DataFacts(
        path=path,
        format=format_of(layout),
        layout=layout,
        stages=STAGES[kind_of(layout)],
        train_rows=state.usable["train"] - moved,
        dev_rows=state.usable["dev"] + moved,
        dev_given=bool(state.source.dev),
        unusable_rows=state.rows_read - sum(state.usable.values()),
        max_turns=state.max_turns,
        language=main_language(state.texts),
        duplicate_rows=state.log.counts["row.duplicate"],
        lengths=state.lengths.facts(state.counter.exact),
        fingerprint=print_of_bytes,
    )
    return Scan(
        facts=facts,
        findings=state.log.first(),
        finding_counts=dict(sorted(state.log.counts.items())),
        samples=tuple(state.samples),
        histogram=histogram,
        rows_read=state.rows_read,
        suggested_max_length=suggested,
        has_system=state.has_system,
        dev_hashes=frozenset(chosen),
        uncut=state.uncut,
    )


def format_of(layout: Format) -> FormatName:
    """Return the name that plans know a layout by: its own for conversations, else the kind of data."""
    return cast(FormatName, layout if layout in LAYOUTS else kind_of(layout))


def suggest_max_length(lengths: LengthCounter) -> int:
    """Return a multiple of 64 that holds every row; 99 % of them when the longest are far longer."""
    longest, most = lengths.percentile(1), lengths.percentile(0.99)
    return max(64, -(-(longest if longest <= 1.5 * most else most) // 64) * 64)
