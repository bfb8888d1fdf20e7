"""One pass over a data set: every row read, judged, measured and hashed; nothing of the size of the file is
kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from planner.errors import BadInput
from planner.facts import DataFacts
from runtime.data.bundled import resolve_data
from runtime.data.chat_template import Parts, TemplateRefusedError, TemplateRewritesError, splits_upstream
from runtime.data.conversation import Conversation
from runtime.data.duplicates import SeenRows, row_hash
from runtime.data.findings import Finding, FindingLog, Note
from runtime.data.formats import Format, detect
from runtime.data.json_rows import RawRow
from runtime.data.lengths import LengthCounter
from runtime.data.rows import messages_of, type_name
from runtime.data.sources import DataFile, Source, fingerprint, open_source
from runtime.data.split import DevSplit
from runtime.data.tokens import Fitted, Lengths, TokenCounter, fit, load_counter
from runtime.data.validate import conversation_of

BATCH_ROWS = 512
PEEK_ROWS = 100
"""Rows that decide on the format."""

ProgressCall = Callable[[float, float, str, str], None]
"""`progress(done, total, unit, message)`, called every few hundred rows; what it raises ends the scan."""

Sink = Callable[[str, int, Conversation], None]
"""`sink(role, split_hash, conversation)` gets every usable row in order; role is train or dev."""


class Sample(NamedTuple):
    """A row as the model sees it: (prompt, answer) texts per turn with their token counts."""

    file: str
    row: int
    parts: Parts
    lengths: Lengths


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
) -> Scan:
    """Return the facts, findings and samples of a data set (a path or a bundled name).

    `model_folder` is a Hugging Face folder: its tokenizer counts, its chat template renders. Without it (or
    without its tokenizer.json) lengths are estimated and `facts.lengths.counted` is False. With `max_length`
    rows are cut to fit as `runtime.data.tokens.fit` says, and counted as they will be trained on;
    `src_length` is half of it unless given. Raises `BadInput` for data that cannot be read, or has no usable
    row.
    """
    source = open_source(resolve_data(path))
    counter = load_counter(model_folder)
    limits = None if max_length is None else (max_length, src_length or max_length // 2)
    state = _State(source, counter, limits, seed, FindingLog(sink=findings_sink), sink, samples)
    state.split = DevSplit(0.0 if source.dev else dev_fraction)
    print_of_bytes = _fingerprint(source, progress)
    require_same(expected_fingerprint, print_of_bytes, path)
    for role, files in (("train", source.train), ("dev", source.dev)):
        for file in files:
            state.read(role, file, progress)
        if files and not state.usable[role]:
            raise _nothing_usable(path, role, state)
    return state.result(path, print_of_bytes)


def _fingerprint(source: Source, progress: ProgressCall) -> str:
    total = sum(file.path.stat().st_size for file in source.files)
    done = 0

    def count(size: int) -> None:
        nonlocal done
        done += size
        progress(done, total, "bytes", "checking the bytes")

    return fingerprint(source, count)


def require_same(expected: str | None, found: str, path: str) -> None:
    """Raise `BadInput` when the data is not what the plan was made for."""
    if expected is not None and found != expected:
        raise BadInput(
            f"The data in {path} has changed since the plan was made.",
            why="Its lengths and row counts decided on settings of the plan.",
            remedy="Make the plan again: steersman plan.",
        )


def _nothing_usable(path: str, role: str, state: _State) -> BadInput:
    """Explain a split without a single row to train on, by its commonest defect."""
    errors = [finding for finding in state.log.first() if finding.kind.severity == "error"]
    worst = max(errors, key=lambda finding: state.log.counts[finding.code], default=None)
    why = (
        ""
        if worst is None
        else f"{state.log.counts[worst.code]} rows: {worst.kind.title}. First: {worst.sentence()}"
    )
    return BadInput(f"{path}: none of the {state.rows_read} rows can be used ({role}).", why=why)


class _Row(NamedTuple):
    """A valid row on its way to the tokenizer."""

    raw: RawRow
    note: Note
    conversation: Conversation
    value: int


@dataclass
class _State:
    """What the scan carries from row to row."""

    source: Source
    counter: TokenCounter
    limits: tuple[int, int] | None
    seed: int
    log: FindingLog
    sink: Sink | None
    samples_wanted: int
    split: DevSplit = field(default_factory=lambda: DevSplit(0.0))
    lengths: LengthCounter = field(default_factory=LengthCounter)
    seen: SeenRows = field(default_factory=SeenRows)
    usable: dict[str, int] = field(default_factory=lambda: {"train": 0, "dev": 0})
    rows_read: int = 0
    done: float = 0
    max_turns: int = 1
    has_system: bool = False
    format: Format | None = None
    samples: list[Sample] = field(default_factory=list)

    def read(self, role: str, file: DataFile, progress: ProgressCall) -> None:
        """Scan one file."""
        name = file.path.name
        rows = file.rows()
        peeked = list(itertools.islice(rows, PEEK_ROWS))
        layout = detect([raw.value for raw in peeked], str(file.path))
        self.format = self.format or layout
        total = sum(entry.size for entry in self.source.files)
        unit = "rows" if all(entry.container == "parquet" for entry in self.source.files) else "bytes"
        stream = itertools.chain(peeked, rows)
        while batch := list(itertools.islice(stream, BATCH_ROWS)):
            self.measure(
                role, name, [row for raw in batch if (row := self.judge(role, name, raw, layout)) is not None]
            )
            progress(min(total, self.done + batch[-1].end), total, unit, f"{name}: {batch[-1].row} rows")
        self.done += file.size

    def judge(self, role: str, name: str, raw: RawRow, layout: Format) -> _Row | None:
        """Return the row as a conversation, or None when it is dropped; findings go to the log."""
        self.rows_read += 1

        def note(code: str, field: str, what: str) -> None:
            self.log.add(Finding(code, name, raw.row, raw.line, field, what))

        if raw.problem:
            note("row.unreadable", "", raw.problem)
            return None
        if not isinstance(raw.value, dict):
            note("row.not_object", "", f"the row is {type_name(raw.value)}, not an object")
            return None
        messages = messages_of(raw.value, layout, note)
        conversation = None if messages is None else conversation_of(messages, note)
        if conversation is None:
            return None
        conversation = self.adapt(conversation, note)
        text = conversation.canonical()
        value = row_hash(text)
        first = self.seen.first(value, raw.row) if role == "train" else self.seen.find(value)
        if first:
            what = f"the same as row {first}" if role == "train" else f"it is also training row {first}"
            note("row.duplicate" if role == "train" else "row.leak", "", what)
        return _Row(raw, note, conversation, row_hash(text, self.seed + 1))

    def adapt(self, conversation: Conversation, note: Note) -> Conversation:
        """Return the conversation as the model's template can carry it."""
        if self.counter.special is not None:
            for message in conversation.messages():
                found = self.counter.special.search(message["content"])
                if found is not None:
                    note("text.special", message["role"], f"{found.group()} has a meaning to the tokenizer")
        if self.counter.template is None and (conversation.system or len(conversation.pairs) > 1):
            note(
                "template.none",
                "",
                "the model has no chat template: earlier turns become plain text before the question",
            )
            texts = [message["content"] for message in conversation.messages()]
            return Conversation("", (("\n".join(texts[:-1]), texts[-1]),))
        if (
            conversation.system
            and self.counter.template is not None
            and not self.counter.template.takes_system
        ):
            note("system.moved", "system", "the model's chat template has no place for a system prompt")
            (question, answer), *others = conversation.pairs
            return Conversation("", ((f"{conversation.system}\n\n{question}", answer), *others))
        return conversation

    def measure(self, role: str, name: str, rows: list[_Row]) -> None:
        """Tokenize a batch, cut what is too long, and hand the usable rows on."""
        rendered = [(row, parts) for row in rows if (parts := self.render(row)) is not None]
        for (row, parts), lengths in zip(
            rendered, self.counter.lengths([parts for _, parts in rendered]), strict=True
        ):
            fitted = self.fit(row, lengths)
            if fitted.conversation is None:
                continue
            tokens, answer_tokens = sum(map(sum, fitted.lengths)), sum(answer for _, answer in fitted.lengths)
            self.usable[role] += 1
            if role == "train":
                self.lengths.add(tokens, answer_tokens)
                self.split.offer(row.value, tokens, answer_tokens)
                self.max_turns = max(self.max_turns, len(fitted.conversation.pairs))
                if len(self.samples) < self.samples_wanted:
                    kept = (
                        parts
                        if fitted.conversation == row.conversation
                        else self.counter.parts(fitted.conversation)
                    )
                    self.samples.append(Sample(name, row.raw.row, kept, fitted.lengths))
            self.has_system = self.has_system or bool(fitted.conversation.system)
            if self.sink is not None:
                self.sink(role, row.value, fitted.conversation)

    def render(self, row: _Row) -> Parts | None:
        """Return the row's parts, or None (and a note) when the template cannot render it."""
        try:
            parts = self.counter.parts(row.conversation)
        except TemplateRefusedError as error:
            row.note("template.refuses", "", f"the chat template says: {error}")
            return None
        except TemplateRewritesError:
            row.note(
                "template.rewrites",
                "",
                "in several turns its answers cannot be told apart; rows of one turn can",
            )
            return None
        if self.counter.template is not None and not splits_upstream(parts):
            row.note(
                "upstream.split",
                "",
                "an answer repeats text of a question; Steersman's own worker is not confused",
            )
        return parts

    def fit(self, row: _Row, lengths: Lengths) -> Fitted:
        """Return the row cut to the limits, if there are any."""
        if self.limits is None:
            return Fitted(row.conversation, lengths, ())
        fitted = fit(self.counter, row.conversation, lengths, *self.limits)
        for code, what in fitted.done:
            row.note(code, "", what)
        return fitted

    def result(self, path: str, print_of_bytes: str) -> Scan:
        """Return what was found, once all files are read."""
        suggested = suggest_max_length(self.lengths)
        histogram = self.lengths.histogram()
        chosen = self.split.chosen()
        for held in itertools.chain.from_iterable(chosen.values()):
            self.lengths.add(held.tokens, held.answer_tokens, -1)
        moved = sum(map(len, chosen.values()))
        facts = DataFacts(
            path=path,
            format=self.format or "messages",
            train_rows=self.usable["train"] - moved,
            dev_rows=self.usable["dev"] + moved,
            dev_given=bool(self.source.dev),
            unusable_rows=self.rows_read - sum(self.usable.values()),
            max_turns=self.max_turns,
            lengths=self.lengths.facts(self.counter.exact),
            fingerprint=print_of_bytes,
        )
        return Scan(
            facts=facts,
            findings=self.log.first(),
            finding_counts=dict(sorted(self.log.counts.items())),
            samples=tuple(self.samples),
            histogram=histogram,
            rows_read=self.rows_read,
            suggested_max_length=suggested,
            has_system=self.has_system,
            dev_hashes=frozenset(chosen),
        )


def suggest_max_length(lengths: LengthCounter) -> int:
    """Return a multiple of 64 that holds every row; 99 % of them when the longest are far longer."""
    longest, most = lengths.percentile(1), lengths.percentile(0.99)
    return max(64, -(-(longest if longest <= 1.5 * most else most) // 64) * 64)
