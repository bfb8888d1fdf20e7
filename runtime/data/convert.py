"""Convert data from any layout to any other that can say the same, or less, which is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planner.errors import BadInput
from planner.language import say, template
from runtime.data.bundled import resolve_data
from runtime.data.conversation import Kind
from runtime.data.example import Example, example_of, read_example
from runtime.data.findings import Finding, FindingLog
from runtime.data.formats import ALL_LAYOUTS, KIND_WORDS, Format, kind_of
from runtime.data.json_rows import RawRow
from runtime.data.row_pass import ProgressCall, detect_file
from runtime.data.rows import type_name
from runtime.data.sources import DataFile, open_source
from runtime.data.writing import PAIRED_ONLY, WRITERS, Row, write_file

LOSSES: dict[tuple[Kind, Kind], str] = {
    ("preference", "conversation"): template("The rejected answers are left out."),
    ("preference", "labelled"): template("Every pair becomes two rows: a good answer and a bad one."),
    ("labelled", "conversation"): template("Rows that were judged bad are left out."),
    ("conversation", "text"): template("Roles are left out: the turns become one text."),
    ("labelled", "text"): template("Rows that were judged bad are left out; the turns become one text."),
    ("preference", "text"): template("The rejected answers are left out; the turns become one text."),
}
"""From, to -> what is lost. What is not here, and not the same, cannot be had."""


@dataclass
class Converted:
    """What a conversion did. `files` are written ones with their rows."""

    layout: Format
    files: dict[Path, int] = field(default_factory=dict)
    rows_read: int = 0
    left_out: int = 0
    """Rows that could not be read, or not be said in the new layout; the findings name them."""
    judged_bad: int = 0
    tools_as_text: int = 0
    system_as_question: int = 0
    """Rows whose system prompt now begins the first question."""
    loss: str = ""
    log: FindingLog = field(default_factory=FindingLog)


def convert(
    data: str,
    out: Path,
    layout: Format,
    progress: ProgressCall = lambda done, total, unit, message: None,
) -> Converted:
    """Convert `data` (a file, a folder, a bundled name, a hub's data set, a mixture) and write `out`.

    A data set with a dev file becomes a folder of two files. Raises `BadInput` for a layout that cannot say
    what the data holds, and for an existing `out`.
    """
    if layout not in ALL_LAYOUTS:
        raise BadInput(
            say("There is no layout {name}.", name=layout),
            remedy=say("Layouts are {names}.", names=", ".join(ALL_LAYOUTS)),
        )
    source = open_source(resolve_data(data))
    refuse_existing(out)
    done = Converted(layout)
    targets = {"train": out, "dev": None}
    if source.dev:
        targets = {"train": out / "train.jsonl", "dev": out / "dev.jsonl"}
    for role, files in (("train", source.train), ("dev", source.dev)):
        target = targets[role]
        if files and target is not None:
            rows = (row for file in files for row in converted(file, layout, done, progress))
            done.files[target] = write_file(target, rows)
    if not sum(done.files.values()):
        for path in done.files:
            path.unlink(missing_ok=True)
        raise BadInput(say("{path}: none of the rows can be converted.", path=data))
    return done


def refuse_existing(out: Path) -> None:
    """Refuse to write over something."""
    if out.exists():
        raise BadInput(
            say("{path} exists already.", path=out), remedy=say("Name another file, or remove it first.")
        )


def converted(file: DataFile, layout: Format, done: Converted, progress: ProgressCall) -> Iterator[Row]:
    """Yield the rows of one file in the new layout; what is left out is counted and noted."""
    have, rows = detect_file(file)
    require_possible(have, layout, file.path)
    done.loss = say(LOSSES.get((kind_of(have), kind_of(layout)), ""))
    for raw in rows:
        done.rows_read += 1
        if done.rows_read % 500 == 0:
            progress(raw.end, file.size, "rows", say("{rows:,} rows", rows=done.rows_read))
        example = readable(raw, have, file, done)
        if example is None:
            done.left_out += 1
            continue
        yield from rows_of(example, layout, done, file, raw)


def readable(raw: RawRow, layout: Format, file: DataFile, done: Converted) -> Example | None:
    """Return the row between layouts, or None and a finding."""

    def note(code: str, field: str, what: str) -> None:
        done.log.add(Finding(code, file.path.name, raw.row, raw.line, field, what))

    if raw.problem or not isinstance(raw.value, dict):
        what = raw.problem or say("the row is {found}, not an object", found=type_name(raw.value))
        note("row.unreadable" if raw.problem else "row.not_object", "", what)
        return None
    return read_example(raw.value, layout, note)


def rows_of(example: Example, layout: Format, done: Converted, file: DataFile, raw: RawRow) -> Iterator[Row]:
    """Yield the rows of the new layout that one row becomes: usually one."""

    def note(code: str, field: str, what: str) -> None:
        done.log.add(Finding(code, file.path.name, raw.row, raw.line, field, what))

    tools = example.has_tools
    for changed in recast(example, kind_of(layout)):
        if changed.kind != "text" and (layout in PAIRED_ONLY or changed.kind == "preference"):
            whole = changed.conversation(note)
            if whole is None:
                done.left_out += 1
                continue
            done.tools_as_text += tools and layout in PAIRED_ONLY
            keep = tools and layout not in PAIRED_ONLY
            changed = changed if keep else example_of(whole)
        done.system_as_question += layout == "hh_pairs" and bool(changed.system)
        yield WRITERS[layout](changed)
    done.judged_bad += example.label is False and kind_of(layout) in ("conversation", "text")


def recast(example: Example, kind: Kind) -> Iterator[Example]:
    """Yield the row as rows of another kind of data."""
    if example.kind == kind:
        yield example
    elif kind == "labelled":
        *prompt, _ = example.messages
        yield example._replace(kind="labelled", rejected=(), label=True)
        yield example._replace(
            kind="labelled", messages=(*prompt, *example.rejected), rejected=(), label=False
        )
    elif example.label is not False:
        yield example._replace(kind=kind, rejected=(), label=None)


def require_possible(have: Format, want: Format, path: Path) -> None:
    """Raise `BadInput` where the new layout needs what nobody said, such as a rejected answer."""
    kinds = kind_of(have), kind_of(want)
    if kinds[0] != kinds[1] and kinds not in LOSSES:
        raise BadInput(
            say(
                "{path} holds {found}: {wanted} cannot be made of them.",
                path=path,
                found=say(KIND_WORDS[kinds[0]]),
                wanted=say(KIND_WORDS[kinds[1]]),
            ),
            remedy=say("Layouts that can: {names}.", names=", ".join(possible(have))),
        )


def possible(have: Format) -> list[str]:
    """Return the layouts to which one can be converted."""
    kind = kind_of(have)
    return [name for name in ALL_LAYOUTS if kind_of(name) == kind or (kind, kind_of(name)) in LOSSES]


def as_dict(done: Converted) -> dict[str, Any]:
    """Return what was done as JSON values."""
    return {
        "layout": done.layout,
        "files": {str(path): rows for path, rows in done.files.items()},
        "rows_read": done.rows_read,
        "left_out": done.left_out,
        "judged_bad": done.judged_bad,
        "tools_as_text": done.tools_as_text,
        "system_as_question": done.system_as_question,
        "loss": done.loss,
        "findings": [finding.as_dict() for finding in done.log.first()],
    }
