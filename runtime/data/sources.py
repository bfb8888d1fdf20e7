"""Which files a data set consists of, what is in them, and whether their bytes can be read at all."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from planner.errors import BadInput
from planner.language import join, say, template
from runtime.data import json_rows, plain_files, tables
from runtime.data.json_rows import RawRow

Container = Literal["lines", "list", "csv", "parquet", "text"]
SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".parquet")
TEXT_SUFFIX = ".txt"
ACCEPTED = template(
    "Accepted are .json, .jsonl, .csv, .parquet and .txt files, or a folder with train and dev files."
)
TRAIN_NAMES = ("train", "training")
DEV_NAMES = ("dev", "validation", "valid", "val", "eval", "evaluation")
PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"(\xb5/\xfd": "zstandard",
}
CHUNK = 1 << 20


class DataFile(NamedTuple):
    """One file, what it holds, and its size in the unit that `RawRow.end` counts."""

    path: Path
    container: Container
    size: int

    def rows(self) -> Iterator[RawRow]:
        """Yield its rows, streamed."""
        return READERS[self.container](self.path)


READERS: dict[Container, Callable[[Path], Iterator[RawRow]]] = {
    "lines": json_rows.lines,
    "list": json_rows.whole_list,
    "csv": tables.csv_rows,
    "parquet": tables.parquet_rows,
    "text": plain_files.text_rows,
}
"""What a file holds -> the function that yields its rows."""


class Source(NamedTuple):
    """The files of a data set. `dev` is empty when the person gave none."""

    train: tuple[DataFile, ...]
    dev: tuple[DataFile, ...]

    @property
    def files(self) -> tuple[DataFile, ...]:
        """All files, train first."""
        return self.train + self.dev


def open_source(path: Path) -> Source:
    """Return the files behind `path`, a file or a folder; raises `BadInput` with the place and the remedy."""
    if path.is_dir():
        train, dev = files_in(path)
    elif path.exists():
        train, dev = [path], []
    else:
        raise BadInput(say("There is no file or folder {path}.", path=path))
    return Source(tuple(map(open_file, train)), tuple(map(open_file, dev)))


def files_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the train and dev files of a folder: `train*.`, `dev*.`, or what is in folders of such names."""
    train, dev = named(folder, TRAIN_NAMES), named(folder, DEV_NAMES)
    if train:
        return train, dev
    others = data_files(folder)
    texts = data_files(folder, (TEXT_SUFFIX,))
    if not dev and (len(others) == 1 or (texts and not others)):
        return others or texts, []
    names = ", ".join(path.name for path in others[:5])
    found = say("It holds {names}.", names=names) if others else say("It holds no data file.")
    raise BadInput(
        say("The folder {folder} has no training file.", folder=folder),
        why=found,
        remedy=join((say("Name one train.jsonl."), say(ACCEPTED))),
    )


def data_files(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    """Return the files of a folder that have a known suffix, sorted; hidden ones left out."""
    found = (path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def named(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Return the data files of one split, sorted; raises `BadInput` if the same data may be there twice."""
    pattern = re.compile(rf"({'|'.join(names)})([-_.].*)?", re.IGNORECASE)
    every = data_files(folder, (*SUFFIXES, TEXT_SUFFIX))
    found = [path for path in every if pattern.fullmatch(path.stem)]
    if not found:
        inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name.lower() in names]
        found = [path for sub in inner for path in data_files(sub)]
    if len({path.suffix.lower() for path in found}) > 1:
        listed = ", ".join(path.name for path in found)
        raise BadInput(
            say(
                "The folder {folder} has several kinds of {role} file: {names}.",
                folder=folder,
                role=names[0],
                names=listed,
            ),
            remedy=say("Keep one of them."),
        )
    return found


def open_file(path: Path) -> DataFile:
    """Return the file with what its first bytes say it holds; raises `BadInput` if nothing readable."""
    if not path.is_file():
        raise BadInput(say("{path} is not a file.", path=path), remedy=say(ACCEPTED))
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            size = file.seek(0, 2)
    except OSError as error:
        raise BadInput(say("{path} cannot be read: {reason}.", path=path, reason=error.strerror)) from error
    suffix = path.suffix.lower()
    if not head.strip(b" \t\r\n\xef\xbb\xbf"):
        raise BadInput(
            say("{path} is empty.", path=path),
            remedy=say("Was it written to its end? Check where it comes from."),
        )
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadInput(
            say("{path} is written in UTF-16.", path=path),
            remedy=say("Convert it: {command}", command=f"iconv -f UTF-16 -t UTF-8 {path.name}"),
        )
    for magic, packer in PACKED.items():
        if head.startswith(magic):
            raise BadInput(
                say("{path} is packed ({packer}).", path=path, packer=packer), remedy=say("Unpack it first.")
            )
    if suffix == TEXT_SUFFIX:
        return DataFile(path, "text", size)
    if suffix not in SUFFIXES:
        raise BadInput(
            say("{path}: the ending `{ending}` is unknown.", path=path, ending=suffix or path.name),
            remedy=say(OTHER.get(suffix, ACCEPTED)),
        )
    container = contents(head)
    expected = "parquet" if suffix == ".parquet" else "csv" if suffix == ".csv" else "JSON"
    if expected != ("JSON" if container in ("lines", "list") else container):
        binary = container in ("csv", "text") and b"\0" in head
        held = say("binary data") if binary else say(HELD[container])
        raise BadInput(
            say("{path} ends in `{ending}` but holds {found}.", path=path, ending=suffix, found=held),
            remedy=say(ACCEPTED) if binary else say("Give it its own ending."),
        )
    return DataFile(path, container, tables.parquet_length(path) if container == "parquet" else size)


HELD: dict[Container, str] = {
    "lines": template("JSON lines (.jsonl)"),
    "list": template("a JSON list (.json)"),
    "csv": template("plain text"),
    "text": template("plain text"),
    "parquet": "Parquet",
}

OTHER = {
    ".md": template("Rename it to .txt to train on it as a plain text."),
    ".xlsx": template("Save the sheet as CSV (UTF-8)."),
    ".xls": template("Save the sheet as CSV (UTF-8)."),
    ".tsv": template("Rename it to .csv; the tab is recognised as separator."),
}
"""What to do with files that people have but that hold no rows as they are."""


def contents(head: bytes) -> Container:
    """Return what a file holds by its first bytes."""
    if head.startswith(b"PAR1"):
        return "parquet"
    first = head.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    return "list" if first == b"[" else "lines" if first == b"{" else "csv"


def fingerprint(source: Source, progress: Callable[[int], None] = lambda count: None) -> str:
    """Return the sha256 over all files, and check the bytes of the text files on the way.

    Names and places do not count, so a moved data set keeps its fingerprint. Raises `BadInput` with the line
    of the first byte that is not UTF-8, or of the first NUL. `progress` gets the number of bytes after every
    chunk.
    """
    digest = hashlib.sha256()
    for role, files in (("train", source.train), ("dev", source.dev)):
        for file in files:
            digest.update(f"{role} {file.path.stat().st_size}\n".encode())
            _digest_file(file, digest, progress)
    return digest.hexdigest()


def _digest_file(file: DataFile, digest: hashlib._Hash, progress: Callable[[int], None]) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, text, pending = 1, file.container != "parquet", 0
    with file.path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            progress(len(chunk))
            if not text:
                continue
            _check_bytes(file.path, chunk, line, pending, decoder)
            pending = len(decoder.getstate()[0])
            line += chunk.count(b"\n")
    if pending:
        raise BadInput(
            say(
                "{path}, line {line}: the file ends in the middle of a character.", path=file.path, line=line
            ),
            remedy=say(json_rows.CUT_OFF),
        )


def _check_bytes(
    path: Path, chunk: bytes, line: int, pending: int, decoder: codecs.IncrementalDecoder
) -> None:
    nul = chunk.find(b"\0")
    if nul >= 0:
        raise BadInput(
            say("{path}, line {line}: there is a NUL byte.", path=path, line=line + chunk.count(10, 0, nul)),
            why=say("The file is damaged or no text."),
            remedy=say("Write or fetch it again."),
        )
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError as error:
        start = max(0, error.start - pending)
        raise not_utf8(
            path, line + chunk.count(b"\n", 0, start), chunk[max(0, start - 2000) : start + 2000]
        ) from error


def not_utf8(path: Path, line: int, nearby: bytes) -> BadInput:
    """Explain bytes that are not UTF-8, naming the encoding that they do fit."""
    remedy = say("Save it as UTF-8.")
    chinese = nearby[nearby.find(b"\n") + 1 : nearby.rfind(b"\n") if nearby.count(b"\n") > 1 else None]
    try:
        if chinese and any("\u4e00" <= character <= "\u9fff" for character in chinese.decode("gb18030")):
            command = f"iconv -f GB18030 -t UTF-8 {path.name} > utf8{path.suffix}"
            remedy = say("It looks like GB18030: {command}", command=command)
    except UnicodeDecodeError:
        pass
    return BadInput(say("{path}, line {line}: the text is not UTF-8.", path=path, line=line), remedy=remedy)
