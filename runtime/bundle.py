"""Pack a run for support: what tells what happened, without secrets, without data, without weights."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from planner.errors import BadInput, SteersmanError
from planner.language import say
from planner.phrases import size
from planner.planfile import loads
from planner.schema import Record
from runtime.bundle_redaction import BLOCK, REMOVED, Redaction, make, shared_rows
from runtime.data.bundled import resolve_data
from runtime.data.sources import open_source
from runtime.paths import home
from runtime.run.layout import RunFolder, StageFolder

MOST_LOG_BYTES = 256 << 10
"""Of each log: its end, where the failure is, and as much of its beginning."""

ROW_FIELDS = ("prompts", "references", "messages", "samples", "answers", "rows")
"""Fields of specifications and results that hold texts of the data, or answers to them."""

MOST_PASSES = 8
LISTING = "contents.txt"
Doctor = Callable[[], str]


class Packed(Record):
    """One file of a bundle."""

    name: str
    bytes: int


class Bundle(Record):
    """What was packed and what was not."""

    path: str
    inside: tuple[Packed, ...]
    left_out: tuple[str, ...]
    """In words."""
    tokens: int
    names: int
    rows: int


def write_bundle(
    run: RunFolder, destination: Path, doctor: Doctor, environment: Mapping[str, str] | None = None
) -> Bundle:
    """Write the archive of a run and return what is in it. BadInput if it cannot be written.

    `doctor` returns what `steersman doctor` says; `environment` is where secrets are known from.
    """
    texts = {name: without_rows(name, text) for name, text in readable(run)}
    texts["doctor.txt"] = doctor()
    redaction = make(environment, places(run))
    found = texts
    for _ in range(MOST_PASSES):  # a piece that a shorter one hid shows in the next pass
        redaction.rows = shared_rows(found.values(), data_texts(run))
        if not redaction.rows:
            break
        found = {name: redaction.without_rows(text) for name, text in found.items()}
    cleaned = {name: redaction.clean(text) for name, text in found.items()}
    inside = tuple(Packed(name=name, bytes=len(text.encode())) for name, text in sorted(cleaned.items()))
    counts = redaction.counts
    left = tuple(left_out(run, texts))
    bundle = Bundle(
        path=str(destination),
        inside=inside,
        left_out=left,
        tokens=counts.tokens,
        names=counts.names,
        rows=counts.rows,
    )
    cleaned[LISTING] = redaction.clean(listing(run, bundle))
    check(cleaned, redaction)
    try:
        pack(destination, run.name, cleaned)
    except OSError as error:
        raise BadInput(
            say("{path} cannot be written: {reason}.", path=destination, reason=error.strerror)
        ) from error
    return bundle


def places(run: RunFolder) -> dict[str, str]:
    """Return path -> what it is, for the folders that a run's texts name."""
    found = {str(run.root): "<run>", str(home()): "<home>", str(run.started_in()): "<here>"}
    with contextlib.suppress(SteersmanError, OSError):
        facts = loads(run.plan.read_text(encoding="utf-8"), str(run.plan)).facts
        for path, word in ((facts.data.path, "<data>"), (facts.model.source.id, "<model>")):
            if Path(path).is_absolute() and len(Path(path).parent.parts) > 1:
                found.setdefault(str(Path(path).parent), word)
    return found


def readable(run: RunFolder) -> Iterator[tuple[str, str]]:
    """Yield (name in the archive, text) of every file that tells what happened."""
    files = [run.plan, *run.earlier_plans(), run.journal, run.versions, run.offer, run.origin, run.supervisor]
    for path in [*files, run.supervisor_log]:
        yield from _file(path, path.name)
    for folder in sorted((run.root / "stages").glob("*")):
        stage = StageFolder(folder)
        attempts = [stage, *(StageFolder(one) for one in sorted(stage.attempts.glob("*")))]
        for attempt in attempts:
            for path in (
                attempt.spec,
                attempt.inputs,
                attempt.command,
                attempt.environment,
                attempt.result,
                attempt.root / "config.json",
                attempt.log,
                *attempt.rank_logs(),
            ):
                yield from _file(path, str(path.relative_to(run.root)))


def _file(path: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield a file that is there; of a long log its beginning and its end."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_LOG_BYTES)
            length = file.seek(0, 2)
            if length > 2 * MOST_LOG_BYTES and path.suffix not in (".json", ".yaml"):
                file.seek(length - MOST_LOG_BYTES)
                data += f"\n... {length - 2 * MOST_LOG_BYTES} bytes ...\n".encode() + file.read()
            elif length > MOST_LOG_BYTES:
                file.seek(MOST_LOG_BYTES)
                data += file.read()
    except OSError:
        return
    yield name, data.decode(errors="replace")


def without_rows(name: str, text: str) -> str:
    """Return a JSON file without the fields that hold rows: how many there were instead."""
    if not name.endswith(("spec.json", "result.json")):
        return text
    try:
        values = json.loads(text)
    except ValueError:
        return text
    return json.dumps(_counted(values), ensure_ascii=False, indent=2) + "\n"


def _counted(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: f"{REMOVED}: {len(entry)}"
            if key in ROW_FIELDS and isinstance(entry, list)
            else _counted(entry)
            for key, entry in value.items()
        }
    return [_counted(entry) for entry in value] if isinstance(value, list) else value


def data_texts(run: RunFolder) -> Iterator[str]:
    """Yield every text of the run's data: what was prepared, what it was made from, and answers to it."""
    prepared = run.stage("prepare").root / "data"
    files = sorted(prepared.glob("*.json")) + sorted(run.stage("generate").root.glob("*.json*"))
    for path in [*files, *sorted(run.root.glob("stages/*/output/samples/*"))]:
        if path.is_file() and path.name not in (
            "spec.json",
            "inputs.json",
            "command.json",
            "environment.json",
        ):
            yield from _texts_of_lines(path)
    try:
        plan = loads(run.plan.read_text(encoding="utf-8"), str(run.plan))
        given = run.started_in() / plan.facts.data.path
        source = open_source(given if given.exists() else resolve_data(plan.facts.data.path))
        for file in source.files:
            for row in file.rows():
                yield from strings(row.value)
    except (SteersmanError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return


def _texts_of_lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                yield from strings(json.loads(line))
            except ValueError:
                yield line.strip()


def strings(value: Any) -> Iterator[str]:
    """Yield every text inside a value that is long enough to be recognised."""
    if isinstance(value, str):
        if len(value) >= BLOCK:
            yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from strings(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from strings(entry)


def left_out(run: RunFolder, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield what of the run folder is not in the archive, in words, with sizes."""
    known = {str(run.root / name) for name in texts}
    totals: dict[str, int] = {}
    for path in run.root.rglob("*"):
        if path.is_file() and not path.is_symlink() and str(path) not in known:
            parts = path.relative_to(run.root).parts
            name = "/".join(parts[:3]) if parts[0] == "stages" and len(parts) > 3 else "/".join(parts)
            totals[name] = totals.get(name, 0) + path.stat().st_size
    for name, total in sorted(totals.items()):
        yield f"{name} ({size(total) if total >= 1 << 19 else f'{total} B'})"
    yield say("the data itself, and answers to it")
    yield say("the model and every weight")
    yield say("values of tokens and keys")


def listing(run: RunFolder, bundle: Bundle) -> str:
    """Return the text of contents.txt."""
    lines = [
        say("Run {run}, packed at {time}.", run=run.name, time=time.strftime("%Y-%m-%d %H:%M:%S")),
        "",
        say("Inside:"),
        *(f"  {packed.name} ({packed.bytes} B)" for packed in bundle.inside),
        "",
        say("Left out:"),
        *(f"  {words}" for words in bundle.left_out),
        "",
        counted(bundle),
        say(
            "Rows are recognised from {number} equal characters on; shorter texts of the data, such as "
            "single words, may stand in a log.",
            number=BLOCK,
        ),
    ]
    return "\n".join(lines) + "\n"


def counted(bundle: Bundle) -> str:
    """Return in words what was taken out of the texts."""
    return say(
        "Taken out of the texts: {tokens} tokens or keys, {names} names of folders, person or machine, "
        "{rows} pieces of rows.",
        tokens=bundle.tokens,
        names=bundle.names,
        rows=bundle.rows,
    )


def check(texts: Mapping[str, str], redaction: Redaction) -> None:
    """Refuse to pack a text in which a secret is still found. BadInput naming the file."""
    for name, text in texts.items():
        if any(value in text for value in redaction.values):
            raise BadInput(
                say("{file} still holds the value of a token, so nothing was packed.", file=name),
                remedy=say("Remove it there, then try again."),
            )


def pack(destination: Path, name: str, texts: Mapping[str, str]) -> None:
    """Write a .tar.gz whose files belong to nobody, beside and renamed into place."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_name(f".{destination.name}.partial")
    now = int(time.time())
    with tarfile.open(partial, "w:gz") as archive:
        for file, text in sorted(texts.items()):
            data = text.encode()
            entry = tarfile.TarInfo(f"{name}/{file}")
            entry.size, entry.mtime, entry.mode = len(data), now, 0o644
            archive.addfile(entry, io.BytesIO(data))
    partial.replace(destination)
