"""Several sources as one data set, by their shares: `a.jsonl*0.7 + b.jsonl*0.3`, or the same in a YAML file.

Shares are those of the mixture's training rows. No row is used twice: the largest mixture is made for which
all sources have enough. Which rows of a source are taken, and their order, depend on the seed alone. The
mixture is written once, as a data set of its own; dev files of the sources are joined as they are.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import Field, ValidationError

from planner.errors import BadInput
from planner.language import say
from planner.schema import Record
from runtime.data.example import read_example
from runtime.data.formats import KIND_WORDS, Format, kind_of
from runtime.data.row_pass import detect_file
from runtime.data.sources import DataFile, Source, fingerprint, open_source
from runtime.data.writing import WRITERS, Row, write_lines
from runtime.paths import home

SEED = 42
COMMON: dict[str, Format] = {
    "conversation": "messages",
    "preference": "messages_pairs",
    "labelled": "messages_labels",
    "text": "text",
}
"""Kind of data -> layout in which sources of several layouts meet."""

PART = re.compile(r"(?P<path>.+?)\s*\*\s*(?P<share>\d+(?:\.\d+)?|\.\d+)\s*(?P<percent>%?)")
SUFFIXES = (".yaml", ".yml")


class Part(Record):
    """One source of a mixture."""

    path: str
    share: float = Field(gt=0)


class Mixture(Record):
    """What is mixed; shares need not add up to 1."""

    sources: tuple[Part, ...] = Field(min_length=2)
    seed: int = Field(SEED, ge=0)
    rows: int | None = Field(None, gt=0, description="Training rows of the mixture; None: as many as can be.")


class Opened(NamedTuple):
    """A source that was looked into."""

    part: Part
    source: Source
    layout: Format
    rows: int


def read_mixture(text: str) -> Mixture | None:
    """Return what a name means as a mixture; None for a name that is none. Raises `BadInput`."""
    if text.lower().endswith(SUFFIXES) and Path(text).expanduser().is_file():
        return from_file(Path(text).expanduser())
    parts = [PART.fullmatch(part.strip()) for part in re.split(r"\s\+\s", text)]
    if not any(parts):
        return None
    if not all(parts) or len(parts) < 2:
        raise BadInput(
            say("The mixture {text} cannot be read.", text=repr(text)),
            remedy=say("Give each source its share: a.jsonl*0.7 + b.jsonl*0.3."),
        )
    found = [part for part in parts if part is not None]
    shares = [float(part["share"]) / (100 if part["percent"] else 1) for part in found]
    if not all(shares):
        raise BadInput(say("A source with the share 0 adds nothing to {text}.", text=repr(text)))
    return Mixture(
        sources=tuple(
            Part(path=part["path"].strip(), share=share) for part, share in zip(found, shares, strict=True)
        )
    )


def from_file(path: Path) -> Mixture:
    """Return the mixture of a YAML file; paths are meant from its folder."""
    try:
        mixture = Mixture.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        place = ".".join(map(str, first["loc"])) if first else ""
        reason = f"{place}: {first['msg']}" if first else str(error).splitlines()[0]
        raise BadInput(
            say("{path} is no mixture: {reason}.", path=path, reason=reason.rstrip(".")),
            remedy=say("Write sources, each with path and share, and seed and rows if you like."),
        ) from error
    here = tuple(
        part.model_copy(update={"path": str(path.parent / part.path)})
        if (path.parent / part.path).exists()
        else part
        for part in mixture.sources
    )
    return mixture.model_copy(update={"sources": here})


def resolve_mixture(text: str) -> Path | None:
    """Return the folder of a mixture's rows, made unless it is there; None for a name that is no mixture."""
    mixture = read_mixture(text)
    if mixture is None:
        return None
    from runtime.data.bundled import resolve_data

    sources = [open_source(resolve_data(part.path)) for part in mixture.sources]
    prints = [fingerprint(source) for source in sources]
    shares = [part.share for part in mixture.sources]
    key = hashlib.sha256(json.dumps([prints, shares, mixture.seed, mixture.rows]).encode()).hexdigest()
    folder = home() / "data" / f"mixture-{key[:16]}"
    if not (folder / "train.jsonl").is_file():
        make(mixture, sources, folder)
    return folder


def make(mixture: Mixture, sources: list[Source], folder: Path) -> None:
    """Write the mixture's rows into `folder`, which takes its name when all is there."""
    opened = [look(part, source) for part, source in zip(mixture.sources, sources, strict=True)]
    kinds = {kind_of(entry.layout) for entry in opened}
    if len(kinds) > 1:
        held = "; ".join(f"{entry.part.path}: {say(KIND_WORDS[kind_of(entry.layout)])}" for entry in opened)
        raise BadInput(
            say("Data for several kinds of training cannot be mixed. {held}.", held=held),
            remedy=say("Convert them first: steersman data convert."),
        )
    layouts = {entry.layout for entry in opened}
    common = next(iter(layouts)) if len(layouts) == 1 else COMMON[kinds.pop()]
    taken = shared_out([entry.rows for entry in opened], [entry.part.share for entry in opened], mixture.rows)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_lines(partial / "train.jsonl", interleaved(opened, taken, common, mixture.seed))
    if any(entry.source.dev for entry in opened):
        dev = (row for entry in opened for row in rows_of(entry.source.dev, entry.layout, common))
        write_lines(partial / "dev.jsonl", dev)
    what = {
        "sources": [
            {"path": entry.part.path, "share": entry.part.share, "rows": entry.rows, "taken": count}
            for entry, count in zip(opened, taken, strict=True)
        ],
        "seed": mixture.seed,
        "layout": common,
    }
    (partial / "mixture.yaml").write_text(yaml.safe_dump(what, allow_unicode=True), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)


def look(part: Part, source: Source) -> Opened:
    """Return a source with its layout and its number of training rows."""
    layout, rows = detect_file(source.train[0])
    count = sum(1 for _ in rows) + sum(1 for file in source.train[1:] for _ in file.rows())
    return Opened(part, source, layout, count)


def shared_out(rows: list[int], shares: list[float], wanted: int | None) -> list[int]:
    """Return how many rows each source gives: in proportion, none of them more than it has, at least one.

    Raises `BadInput` when more rows are wanted than such a mixture can have.
    """
    whole = sum(shares)
    most = min(count * whole / share for count, share in zip(rows, shares, strict=True))
    if wanted is not None and wanted > most:
        raise BadInput(
            say("A mixture of {wanted:,} rows with these shares cannot be made.", wanted=wanted),
            why=say("The sources have enough for {most:,} rows without using any twice.", most=int(most)),
        )
    total = most if wanted is None else wanted
    return [
        max(1, min(count, round(total * share / whole))) for count, share in zip(rows, shares, strict=True)
    ]


def interleaved(opened: list[Opened], taken: list[int], common: Format, seed: int) -> Iterator[Row]:
    """Yield the rows of all sources, each spread evenly over the whole."""
    streams = [
        sampled(entry, count, common, random.Random(f"{seed} {number}"))
        for number, (entry, count) in enumerate(zip(opened, taken, strict=True))
    ]
    given = [0] * len(streams)
    for _ in range(sum(taken)):
        number = min(range(len(streams)), key=lambda index: (given[index] + 1) / taken[index])
        given[number] += 1
        yield next(streams[number])


def sampled(entry: Opened, count: int, common: Format, source: random.Random) -> Iterator[Row]:
    """Yield `count` rows of a source, in its order, every choice equally likely (Knuth, TAOCP 3.4.2, S)."""
    left, wanted = entry.rows, count
    for row in rows_of(entry.source.train, entry.layout, common):
        if source.random() * left < wanted:
            wanted -= 1
            yield row
        left -= 1


def rows_of(files: tuple[DataFile, ...], layout: Format, common: Format) -> Iterator[Any]:
    """Yield every row in the mixture's layout. One that cannot be read stays as it is: the scan names it."""
    for file in files:
        for raw in file.rows():
            if raw.problem or not isinstance(raw.value, dict):
                yield {"unreadable": raw.problem or raw.value}
                continue
            example = None if layout == common else read_example(raw.value, layout, lambda *_: None)
            yield raw.value if example is None else WRITERS[common](example)
