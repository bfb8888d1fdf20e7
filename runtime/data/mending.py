"""Defects of rows, as fixes that a person can ask for: proposed by row, applied only on request.

| fix | what it does |
|---|---|
| unusable | leaves out rows that cannot be trained on |
| mend | writes what training would make of a row: roles joined, loose ends left out, characters replaced |
| control | takes control characters out |
| copies | leaves out rows that repeat an earlier one |
| near | leaves out rows that nearly repeat an earlier one |
| leaks | leaves out dev rows that are training rows |
| long, short | leave out rows of more or fewer tokens than asked for |
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from planner.errors import BadInput
from planner.language import say, template
from runtime.data.bundled import resolve_data
from runtime.data.chat_template import TemplateRefusedError, TemplateRewritesError
from runtime.data.conversation import Conversation, Message
from runtime.data.convert import refuse_existing
from runtime.data.duplicates import SeenRows, row_hash
from runtime.data.example import Example, example_of, read_example
from runtime.data.findings import KINDS
from runtime.data.formats import Format
from runtime.data.json_rows import RawRow
from runtime.data.near import NearRows
from runtime.data.row_pass import ROW_BITS, ProgressCall, detect_file, place_of
from runtime.data.rows import type_name
from runtime.data.sources import DataFile, Source, open_source
from runtime.data.tokens import TokenCounter, load_counter
from runtime.data.writing import WRITERS, Row, write_file

Fix = Literal["unusable", "mend", "control", "copies", "near", "leaks", "long", "short"]

FIX_TITLES: dict[Fix, str] = {
    "unusable": template("leave out rows that cannot be trained on"),
    "mend": template("write rows as training would take them"),
    "control": template("take control characters out"),
    "copies": template("leave out rows that repeat an earlier one"),
    "near": template("leave out rows that nearly repeat an earlier one"),
    "leaks": template("leave out dev rows that are also training rows"),
    "long": template("leave out rows that are too long"),
    "short": template("leave out rows that are too short"),
}
"""Fix -> what it does. Their names are those of the command line."""

DEFAULT: tuple[Fix, ...] = ("unusable", "mend", "control", "copies", "leaks")
"""Fixes that are proposed when none is named; the others need a figure, or time and memory."""

CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
LISTED = 5


class Proposal(NamedTuple):
    """One change to one row. `after` None: the row is left out."""

    fix: Fix
    file: str
    row: int
    line: int
    what: str
    before: Any
    after: Row | None


@dataclass
class Mended:
    """What was proposed, and, where it was asked for, written."""

    counts: Counter[Fix] = field(default_factory=Counter)
    first: dict[Fix, list[Proposal]] = field(default_factory=dict)
    rows_read: int = 0
    rows_kept: int = 0
    files: dict[Path, int] = field(default_factory=dict)

    def add(self, proposal: Proposal) -> None:
        """Count a proposal, and keep the first of its fix."""
        self.counts[proposal.fix] += 1
        listed = self.first.setdefault(proposal.fix, [])
        if len(listed) < LISTED:
            listed.append(proposal)


@dataclass
class Mender:
    """What is carried from row to row while fixes are proposed."""

    source: Source
    wanted: frozenset[Fix]
    counter: TokenCounter
    most: int | None
    least: int | None
    done: Mended = field(default_factory=Mended)
    seen: SeenRows = field(default_factory=SeenRows)
    near: NearRows | None = None

    def rows(self, role: str, progress: ProgressCall) -> Iterator[Row]:
        """Yield the rows of one role that are kept, as they would be written."""
        files = self.source.train if role == "train" else self.source.dev
        for number, file in enumerate(files):
            layout, rows = detect_file(file)
            for raw in rows:
                self.done.rows_read += 1
                if self.done.rows_read % 500 == 0:
                    progress(raw.end, file.size, "rows", say("{rows:,} rows", rows=self.done.rows_read))
                row = self.mended(role, number << ROW_BITS | raw.row, file, layout, raw)
                if row is not None:
                    self.done.rows_kept += 1
                    yield row

    def mended(self, role: str, here: int, file: DataFile, layout: Format, raw: RawRow) -> Row | None:
        """Return a row as it would be kept, or None; what would be done to it is proposed."""

        def propose(fix: Fix, what: str, after: Row | None) -> bool:
            if fix in self.wanted:
                self.done.add(Proposal(fix, file.path.name, raw.row, raw.line, what, raw.value, after))
            return fix in self.wanted

        if raw.problem or not isinstance(raw.value, dict):
            what = raw.problem or say("the row is {found}, not an object", found=type_name(raw.value))
            left_out = propose("unusable", what, None) or raw.problem
            return None if left_out else raw.value
        notes: list[tuple[str, str, str]] = []
        example, conversation = self.read(raw.value, layout, notes)
        if example is None or conversation is None:
            code, place, what = notes[-1] if notes else ("answer.missing", "", "")
            return None if propose("unusable", sentence(code, place, what), None) else raw.value
        if self.leave_out(role, here, conversation, propose):
            return None
        return self.rewritten(raw.value, layout, example, conversation, notes, propose)

    def read(
        self, row: Row, layout: Format, notes: list[tuple[str, str, str]]
    ) -> tuple[Example | None, Conversation | None]:
        """Return the row between layouts and as it would be trained on; what is odd goes to `notes`."""

        def note(code: str, place: str, what: str) -> None:
            notes.append((code, place, what))

        example = read_example(row, layout, note)
        return example, None if example is None else example.conversation(note)

    def leave_out(self, role: str, here: int, conversation: Conversation, propose: Any) -> bool:
        """Return whether the row is left out as a repetition, or for its length."""
        value = row_hash(conversation.canonical())
        first = self.seen.first(value, here) if role == "train" else self.seen.find(value)
        near = 0
        if not first and self.near is not None:
            near = self.near.first(conversation, here) if role == "train" else self.near.find(conversation)
        if first or near:
            fix = "near" if near else "copies" if role == "train" else "leaks"
            same = say("the same as training {place}", place=place_of(first or near, self.source))
            nearly = say("nearly the same as training {place}", place=place_of(first or near, self.source))
            if propose(fix, nearly if near else same, None):
                return True
        if self.most is None and self.least is None:
            return False
        tokens = self.tokens(conversation)
        what = say("{tokens} tokens", tokens=tokens)
        if self.most is not None and tokens > self.most and propose("long", what, None):
            return True
        return bool(self.least is not None and tokens < self.least and propose("short", what, None))

    def tokens(self, conversation: Conversation) -> int:
        """Return the length of a row, template included."""
        try:
            parts = self.counter.parts(conversation)
        except (TemplateRefusedError, TemplateRewritesError):
            parts = [("".join(message["content"] for message in conversation.messages()), "")]
        return sum(self.counter.count([text for part in parts for text in part]))

    def rewritten(
        self,
        row: Row,
        layout: Format,
        example: Example,
        conversation: Conversation,
        notes: list[tuple[str, str, str]],
        propose: Any,
    ) -> Row:
        """Return the row with its texts and turns put right, or as it is."""
        mends = [note for note in notes if KINDS[note[0]].action == "fixed"]
        control = [note for note in notes if note[0] == "text.control"]
        fixed = row
        if mends and "mend" in self.wanted:
            kept = example if example.has_tools else example_of(conversation, example.tools)
            fixed = written(row, layout, kept)
            propose("mend", "; ".join(dict.fromkeys(sentence(*note) for note in mends)), fixed)
            example = kept
        if control and "control" in self.wanted:
            fixed = written(row, layout, without_control(example))
            propose("control", sentence(*control[0]), fixed)
        return fixed


def written(row: Row, layout: Format, example: Example) -> Row:
    """Return a row in its layout again; fields that the layout does not know stay as they are."""
    new = WRITERS[layout](example)
    kept = {name: value for name, value in row.items() if name not in new and name not in PROMPT_FIELDS}
    return {**kept, **new}


PROMPT_FIELDS = ("history", "system", "context", "messages", "conversations", "prompt", "kto_tag")
"""Fields that a writer may leave out because they have become empty, or stand in another one."""


def without_control(example: Example) -> Example:
    """Return the row without control characters."""

    def cleaned(message: Message) -> Message:
        return message._replace(text=CONTROL.sub("", message.text))

    return example._replace(
        messages=tuple(map(cleaned, example.messages)), rejected=tuple(map(cleaned, example.rejected))
    )


def sentence(code: str, place: str, what: str) -> str:
    """Return a note as one sentence with its field."""
    text = what or say(KINDS[code].title)
    return f"`{place}`: {text}" if place else text


def mend(
    data: str,
    out: Path | None,
    *,
    fixes: tuple[Fix, ...] = DEFAULT,
    model_folder: Path | None = None,
    most: int | None = None,
    least: int | None = None,
    progress: ProgressCall = lambda done, total, unit, message: None,
) -> Mended:
    """Propose fixes for every row of `data`; with `out`, write the fixed data there.

    `most` and `least` are tokens, for the fixes long and short. The data itself is never changed. A data set
    with a dev file becomes a folder of two files. Raises `BadInput` for an existing `out`.
    """
    source = open_source(resolve_data(data))
    lengths: tuple[tuple[Fix, int | None], ...] = (("long", most), ("short", least))
    wanted = frozenset((*fixes, *(fix for fix, limit in lengths if limit is not None)))
    mender = Mender(source, wanted, load_counter(model_folder), most, least)
    mender.near = NearRows() if "near" in wanted else None
    if out is not None:
        refuse_existing(out)
    folder = bool(source.dev)
    for role, files in (("train", source.train), ("dev", source.dev)):
        if not files:
            continue
        rows = mender.rows(role, progress)
        if out is None:
            for _ in rows:
                pass
            continue
        target = out / f"{role}.jsonl" if folder else out
        mender.done.files[target] = write_file(target, rows)
    if not mender.done.rows_kept:
        raise BadInput(say("{path}: nothing would be left.", path=data))
    return mender.done
