"""The pass over the rows: each is read, judged, adapted to the model's template, measured, cut and handed on.

What is kept from row to row does not grow with the file, apart from some bytes per row to know duplicates by.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from planner.errors import BadInput
from planner.language import say
from runtime.data.chat_template import Parts, TemplateRefusedError, TemplateRewritesError, splits_upstream
from runtime.data.conversation import Conversation, Kind
from runtime.data.duplicates import SeenRows, row_hash
from runtime.data.findings import Finding, FindingLog, Note
from runtime.data.fitting import Fitted, fit
from runtime.data.formats import Format, detect, kind_of, require_stage
from runtime.data.json_rows import RawRow
from runtime.data.language import SAMPLED_CHARACTERS, SAMPLED_ROWS
from runtime.data.lengths import LengthCounter
from runtime.data.near import NearRows
from runtime.data.reading import read_row
from runtime.data.rows import type_name
from runtime.data.sources import DataFile, Source
from runtime.data.split import DevSplit
from runtime.data.tokens import Lengths, TokenCounter, learned, shown

BATCH_ROWS = 512
PEEK_ROWS = 100
"""Rows that decide on the format."""
ROW_BITS = 40
"""A row is remembered by file number and row number in one integer."""

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
    value: int = 0
    """Seeded hash of its text, by which the split takes rows out."""
    kind: Kind = "conversation"
    good: bool | None = None
    """Whether a judged answer was judged good."""


class _Row(NamedTuple):
    """A valid row on its way to the tokenizer."""

    raw: RawRow
    note: Note
    conversation: Conversation
    value: int


@dataclass
class RowPass:
    """What is carried from row to row. `limits` are max_length and src_length, or None: nothing is cut."""

    source: Source
    counter: TokenCounter
    limits: tuple[int, int] | None
    seed: int
    log: FindingLog
    sink: Sink | None
    samples_wanted: int
    split: DevSplit
    stage: str | None = None
    """The training that the rows are for; None: whatever they are made for."""
    near: NearRows | None = None
    """Where rows are kept that later ones may nearly repeat; None: nobody asked."""
    lengths: LengthCounter = field(default_factory=LengthCounter)
    uncut: LengthCounter = field(default_factory=LengthCounter)
    """Lengths of the same rows before anything was cut to fit, and of those that cannot be cut to fit."""
    seen: SeenRows = field(default_factory=SeenRows)
    usable: dict[str, int] = field(default_factory=lambda: {"train": 0, "dev": 0})
    rows_read: int = 0
    done: float = 0
    max_turns: int = 1
    has_system: bool = False
    format: Format | None = None
    samples: list[Sample] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """Beginnings of the first rows, by which the language is told."""

    def read(self, role: str, file_number: int, file: DataFile, progress: ProgressCall) -> None:
        """Scan one file."""
        name = file.path.name
        layout, stream = detect_file(file)
        require_stage(layout, self.stage, str(file.path))
        self.same_kind(layout, file)
        total = sum(entry.size for entry in self.source.files)
        unit = "rows" if all(entry.container == "parquet" for entry in self.source.files) else "bytes"
        while batch := list(itertools.islice(stream, BATCH_ROWS)):
            self.measure(
                role,
                name,
                [row for raw in batch if (row := self.judge(role, file_number, raw, layout)) is not None],
            )
            progress(min(total, self.done + batch[-1].end), total, unit, said(name, batch[-1].row))
        self.done += file.size

    def same_kind(self, layout: Format, file: DataFile) -> None:
        """Remember the first file's layout; raise `BadInput` for a file that is made for another training."""
        self.format = self.format or layout
        if kind_of(layout) != kind_of(self.format):
            raise BadInput(
                say(
                    "{path} holds {layout} rows, the files before it {other} rows.",
                    path=file.path,
                    layout=layout,
                    other=self.format,
                ),
                remedy=say("Keep data for one kind of training together."),
            )

    def judge(self, role: str, file_number: int, raw: RawRow, layout: Format) -> _Row | None:
        """Return the row as a conversation, or None when it is dropped; findings go to the log."""
        self.rows_read += 1
        files = self.source.train if role == "train" else self.source.dev
        name = files[file_number].path.name

        def note(code: str, field: str, what: str) -> None:
            self.log.add(Finding(code, name, raw.row, raw.line, field, what))

        if raw.problem:
            note("row.unreadable", "", raw.problem)
            return None
        if not isinstance(raw.value, dict):
            note("row.not_object", "", say("the row is {found}, not an object", found=type_name(raw.value)))
            return None
        conversation = read_row(raw.value, layout, self.counter.template, note)
        if conversation is None:
            return None
        conversation = self.adapt(conversation, note)
        text = conversation.canonical()
        value = row_hash(text)
        here = file_number << ROW_BITS | raw.row
        first = self.seen.first(value, here) if role == "train" else self.seen.find(value)
        if first:
            note("row.duplicate" if role == "train" else "row.leak", "", repeats(role, first, self.source))
        elif self.near is not None:
            self.judge_near(role, conversation, here, note)
        return _Row(raw, note, conversation, row_hash(text, self.seed + 1))

    def judge_near(self, role: str, conversation: Conversation, here: int, note: Note) -> None:
        """Note a row that nearly repeats an earlier one."""
        assert self.near is not None
        train = role == "train"
        first = self.near.first(conversation, here) if train else self.near.find(conversation)
        if first:
            place = place_of(first, self.source)
            note(
                "row.near_duplicate" if train else "row.near_leak",
                "",
                say("nearly the same as training {place}", place=place),
            )

    def adapt(self, conversation: Conversation, note: Note) -> Conversation:
        """Return the conversation as the model's template can carry it."""
        if self.counter.special is not None:
            for message in conversation.messages():
                found = self.counter.special.search(message["content"])
                if found is not None:
                    what = say("{token} has a meaning to the tokenizer", token=found.group())
                    note("text.special", message["role"], what)
        if conversation.kind in ("text", "retrieval"):
            return conversation
        if self.counter.template is None and (conversation.system or len(conversation.pairs) > 1):
            note("template.none", "", say("earlier turns become plain text before the question"))
            texts = [message["content"] for message in conversation._replace(rejected="").messages()]
            return conversation._replace(system="", pairs=(("\n".join(texts[:-1]), texts[-1]),))
        template = self.counter.template
        if conversation.system and template is not None and not template.takes_system:
            note("system.moved", "system", say("the model's chat template has no place for a system prompt"))
            (question, answer), *others = conversation.pairs
            joined = ((f"{conversation.system}\n\n{question}", answer), *others)
            return conversation._replace(system="", pairs=joined)
        return conversation

    def measure(self, role: str, name: str, rows: list[_Row]) -> None:
        """Tokenize a batch, cut what is too long, and hand the usable rows on."""
        rendered = [(row, parts) for row in rows if (parts := self.render(row)) is not None]
        for (row, parts), lengths in zip(
            rendered, self.counter.lengths([parts for _, parts in rendered]), strict=True
        ):
            if role == "train":
                self.uncut.add(sum(map(sum, lengths)), learned(row.conversation, lengths))
            fitted = self.fit(row, lengths)
            if fitted.conversation is None:
                continue
            tokens = sum(map(sum, fitted.lengths))
            answer_tokens = learned(fitted.conversation, fitted.lengths)
            self.usable[role] += 1
            if role == "train":
                self.lengths.add(tokens, answer_tokens)
                self.split.offer(row.value, tokens, answer_tokens)
                self.max_turns = max(self.max_turns, len(fitted.conversation.pairs))
                if len(self.texts) < SAMPLED_ROWS:
                    self.texts.append(" ".join(map(" ".join, fitted.conversation.pairs))[:SAMPLED_CHARACTERS])
                if len(self.samples) < self.samples_wanted:
                    uncut = fitted.conversation == row.conversation
                    kept = parts if uncut else self.counter.parts(fitted.conversation)
                    visible = shown(fitted.conversation, kept, fitted.lengths)
                    kind, good = fitted.conversation.kind, fitted.conversation.label
                    self.samples.append(Sample(name, row.raw.row, *visible, row.value, kind, good))
            self.has_system = self.has_system or bool(fitted.conversation.system)
            if self.sink is not None:
                self.sink(role, row.value, fitted.conversation)

    def render(self, row: _Row) -> Parts | None:
        """Return the row's parts, or None (and a note) when the template cannot render it."""
        try:
            parts = self.counter.parts(row.conversation)
        except TemplateRefusedError as error:
            row.note("template.refuses", "", say("the chat template says: {reason}", reason=error))
            return None
        except TemplateRewritesError:
            what = say("its answers cannot be told apart; rows of one turn can be used")
            row.note("template.rewrites", "", what)
            return None
        ordinary = row.conversation.kind == "conversation" and self.counter.template is not None
        if ordinary and not splits_upstream(parts):
            what = say("an answer repeats text of a question; Steersman's own worker is not confused")
            row.note("upstream.split", "", what)
        return parts

    def fit(self, row: _Row, lengths: Lengths) -> Fitted:
        """Return the row cut to the limits, if there are any."""
        if self.limits is None:
            return Fitted(row.conversation, lengths, ())
        try:
            fitted = fit(self.counter, row.conversation, lengths, *self.limits)
        except TemplateRefusedError as error:
            what = say("once cut to fit: {reason}", reason=error)
            fitted = Fitted(None, [], (("template.refuses", what),))
        for code, what in fitted.done:
            row.note(code, "", what)
        return fitted


def said(name: str, rows: int) -> str:
    """Return how far the reading of a file is."""
    return say("{name}: {rows:,} rows", name=name, rows=rows)


def place_of(first: int, source: Source) -> str:
    """Return which training row `first` (file number and row number in one) means."""
    row = first % (1 << ROW_BITS)
    if len(source.train) == 1:
        return say("row {row}", row=row)
    return say("row {row} of {file}", row=row, file=source.train[first >> ROW_BITS].path.name)


def repeats(role: str, first: int, source: Source) -> str:
    """Return of which training row a row is a copy."""
    place = place_of(first, source)
    if role == "train":
        return say("the same as {place}", place=place)
    return say("it is also training {place}", place=place)


def detect_file(file: DataFile) -> tuple[Format, Iterator[RawRow]]:
    """Return the layout of a file, and all of its rows; raises `BadInput` for an unknown one."""
    rows = file.rows()
    peeked = list(itertools.islice(rows, PEEK_ROWS))
    return detect([raw.value for raw in peeked], str(file.path)), itertools.chain(peeked, rows)
