"""Write a data set as the training worker reads it: train.json and dev.json in PaddleNLP's format, plain
texts as token files, too. Everything is proven, and renamed.

Everything is written into a folder beside the destination, which takes its name only when all is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from planner.errors import StageFailed
from planner.language import say
from runtime.data.conversation import Conversation
from runtime.data.corpus import Corpus, write_corpora
from runtime.data.engine_rows import engine_row, sound
from runtime.data.row_pass import ProgressCall
from runtime.data.scan import Scan, scan
from runtime.data.tokens import load_counter

TRAIN, DEV, REPORT, FINDINGS = "train.json", "dev.json", "prepare.json", "findings.jsonl"


class Prepared(NamedTuple):
    """What was written and where. `rows` and `sha256` are by file name."""

    folder: Path
    scan: Scan
    rows: dict[str, int]
    sha256: dict[str, str]


def prepare(
    data: str,
    model_folder: Path | None,
    destination: Path,
    *,
    max_length: int,
    src_length: int,
    seed: int,
    dev_fraction: float,
    expected_fingerprint: str | None,
    progress: ProgressCall = lambda done, total, unit, message: None,
) -> Prepared:
    """Scan `data`, split it, and write `destination`; returns what was written, read back and counted.

    The same data, settings and seed give the same bytes. Raises `BadInput` for unusable data and for data
    that is not the planned one (`expected_fingerprint`), `StageFailed` when what was written cannot be read
    back.
    """
    partial = destination.parent / f".{destination.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        scanned = _write(
            data,
            model_folder,
            partial,
            max_length,
            src_length,
            seed,
            dev_fraction,
            expected_fingerprint,
            progress,
        )
        rows = {name: read_back(partial / name) for name in (TRAIN, DEV)}
        expected = {TRAIN: scanned.facts.train_rows, DEV: scanned.facts.dev_rows}
        if rows != expected:
            raise StageFailed(
                say(
                    "The prepared data in {folder} has {found} rows where {expected} were written.",
                    folder=partial,
                    found=rows,
                    expected=expected,
                )
            )
        is_text = scanned.facts.format == "text"
        corpora = write_corpora(partial, rows, load_counter(model_folder), progress) if is_text else ()
        sha256 = {name: _sha256(partial / name) for name in (TRAIN, DEV)}
        settings = {
            "max_length": max_length,
            "src_length": src_length,
            "seed": seed,
            "dev_fraction": dev_fraction,
        }
        (partial / REPORT).write_text(report(scanned, settings, rows, sha256, corpora), encoding="utf-8")
        for path in partial.rglob("*"):
            _sync(path)
        shutil.rmtree(destination, ignore_errors=True)
        partial.replace(destination)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Prepared(destination, scanned, rows, sha256)


def _write(
    data: str,
    model_folder: Path | None,
    folder: Path,
    max_length: int,
    src_length: int,
    seed: int,
    dev_fraction: float,
    expected_fingerprint: str | None,
    progress: ProgressCall,
) -> Scan:
    """Write the usable rows to one file while scanning, then deal them out: the end decides the split."""
    usable = folder / "usable.part"
    with (
        usable.open("w", encoding="utf-8") as rows,
        (folder / FINDINGS).open("w", encoding="utf-8") as findings,
    ):

        def keep(role: str, value: int, conversation: Conversation) -> None:
            rows.write(f"{role} {value} {conversation.canonical()}\n")

        scanned = scan(
            data,
            model_folder,
            max_length=max_length,
            src_length=src_length,
            seed=seed,
            dev_fraction=dev_fraction,
            sink=keep,
            findings_sink=findings,
            progress=progress,
            expected_fingerprint=expected_fingerprint,
        )
    with (
        (folder / TRAIN).open("w", encoding="utf-8") as train,
        (folder / DEV).open("w", encoding="utf-8") as dev,
    ):
        for role, value, conversation in _usable_rows(usable):
            to_dev = role == "dev" or value in scanned.dev_hashes
            _write_row(dev if to_dev else train, conversation, scanned.has_system)
    usable.unlink()
    return scanned


def _usable_rows(path: Path) -> Iterator[tuple[str, int, Conversation]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            role, value, text = line.split(" ", 2)
            yield role, int(value), Conversation.of_canonical(text)


def _write_row(file: IO[str], conversation: Conversation, with_context: bool) -> None:
    file.write(json.dumps(engine_row(conversation, with_context), ensure_ascii=False) + "\n")


def read_back(path: Path) -> int:
    """Return the number of rows of a written file; raises `StageFailed` at one that teaches nothing."""
    count = 0
    with path.open(encoding="utf-8") as file:
        for count, line in enumerate(file, start=1):
            if not sound(json.loads(line)):
                raise StageFailed(
                    say("{path}, line {line}: a prompt or an answer is missing.", path=path, line=count)
                )
    return count


def report(
    scanned: Scan,
    settings: dict[str, Any],
    rows: dict[str, int],
    sha256: dict[str, str],
    corpora: tuple[Corpus, ...] = (),
) -> str:
    """Return the text of `prepare.json`: no times, no paths of this machine, so that it compares."""
    contents = {
        "facts": scanned.facts.model_dump(),
        "settings": settings,
        "rows_read": scanned.rows_read,
        "files": {name: {"rows": rows[name], "sha256": sha256[name]} for name in rows},
        "system_prompts": scanned.has_system,
        "findings": {
            "counts": scanned.finding_counts,
            "first": [finding.as_dict() for finding in scanned.findings],
            "all": FINDINGS,
        },
        "histogram": [{"from": low, "to": high, "rows": count} for low, high, count in scanned.histogram],
    }
    if corpora:
        contents["tokens"] = [corpus._asdict() for corpus in corpora]
    return json.dumps(contents, ensure_ascii=False, indent=2) + "\n"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
