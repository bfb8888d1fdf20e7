"""Accept a stage's result: proofs passed, outputs there and on disk, every file hashed.

A stage that is committed has evidence; one that is not is done again. The hashes are over contents, so a
moved run folder still holds, and a changed byte does not.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from planner.errors import StageFailed
from planner.language import say
from runtime.events import Proof, State
from runtime.run.layout import RunFolder, StageFolder
from runtime.run.task import Committed, Output, StageTask

BLOCK_BYTES = 4 << 20
HASHING_THREADS = 4
PROVENANCE = "steersman-manifest.json"
"""Names times and places. The same weights made again are the same input for what comes after."""


def hash_file(path: Path, *, sync: bool = False) -> str:
    """Return the sha256 of a file; with `sync`, after making sure that it is on disk."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
        if sync:
            os.fsync(file.fileno())
    return digest.hexdigest()


def files_of(path: Path) -> dict[str, Path]:
    """Return the files of an output: name -> path. A folder's are relative to it."""
    if path.is_dir():
        return {str(file.relative_to(path)): file for file in sorted(path.rglob("*")) if file.is_file()}
    return {path.name: path}


def digest_of(hashes: dict[str, str]) -> str:
    """Return one sha256 over names and hashes, without files that only tell where the rest came from."""
    contents = {name: value for name, value in hashes.items() if name != PROVENANCE}
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def measure(path: Path, *, sync: bool = False) -> Output:
    """Hash an output, file by file. OSError if it is not there."""
    files = files_of(path)
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        hashes = dict(
            zip(files, pool.map(lambda file: hash_file(file, sync=sync), files.values()), strict=True)
        )
    size = sum(file.stat().st_size for file in files.values())
    return Output(str(path), hashes, digest_of(hashes), size)


def difference(output: Output) -> str:
    """Return what changed in an output since it was proven, in words; empty if nothing did."""
    path = Path(output.path)
    if not path.exists():
        return say("{path} is gone", path=path)
    files = files_of(path)
    missing = sorted(set(output.files) - set(files))
    if missing:
        return say("{path} is gone", path=path / missing[0] if path.is_dir() else path)
    try:
        now = measure(path)
    except OSError as error:
        return say("{path} cannot be read ({reason})", path=path, reason=error.strerror)
    changed = [name for name in output.files if now.files[name] != output.files[name]]
    if changed:
        return say("{path} changed since it was proven", path=path / changed[0] if path.is_dir() else path)
    return ""


def fingerprint(task: StageTask, run: RunFolder) -> str:
    """Return the hash of everything that determines a stage's result: specification, configs and inputs.

    Paths do not: the inputs count by their contents.
    """
    parts = {"spec": task.spec, "files": task.files, "inputs": task.inputs}
    text = without_places(json.dumps(parts, sort_keys=True, ensure_ascii=False), task, run)
    return hashlib.sha256(text.encode()).hexdigest()


def without_places(text: str, task: StageTask, run: RunFolder) -> str:
    """Return the text with every known path replaced by what it is."""
    places = {**task.places, str(run.root): "<run>"}
    for path in sorted(places, key=len, reverse=True):
        text = text.replace(path, places[path])
    return text


def read_result(folder: StageFolder) -> tuple[dict[str, str], dict[str, Any]] | None:
    """Return the outputs and figures of result.json, or None if the worker did not get that far."""
    try:
        values = json.loads(folder.result.read_text(encoding="utf-8"))
        return dict(values["outputs"]), dict(values["figures"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StageFailed(
            say("{path} cannot be read: {reason}.", path=folder.result, reason=error)
        ) from error


def failed_proof(proofs: Iterable[Proof]) -> str:
    """Return which proof does not hold, in one sentence; empty if all do."""
    for proof in proofs:
        if not proof.passed:
            return say("The proof {name} failed: {sentence}", name=proof.name, sentence=proof.sentence)
    return ""


def missing_proof(task: StageTask, proofs: Iterable[Proof]) -> str:
    """Return why the proofs do not suffice, in one sentence; empty if they do."""
    latest = {proof.name: proof for proof in proofs}
    failed = failed_proof(latest.values())
    if failed:
        return failed
    for name in task.proofs:
        if name not in latest:
            return say("The stage {stage} ended without its proof {name}.", stage=task.stage, name=name)
    return ""


def commit(task: StageTask, run: RunFolder, proofs: Iterable[Proof], seconds: float, now: float) -> State:
    """Check a finished stage; return the journal entry that makes it count. StageFailed if it does not."""
    folder = run.stage(task.stage)
    result = read_result(folder)
    if result is None:
        raise StageFailed(say("The stage {stage} ended without a result.", stage=task.stage))
    problem = missing_proof(task, proofs)
    if problem:
        raise StageFailed(problem)
    named, figures = result
    outputs: dict[str, Any] = {}
    for name, path in named.items():
        try:
            output = measure(Path(path), sync=True)
        except OSError as error:
            raise StageFailed(
                say(
                    "The stage {stage} says that it wrote {path}, but it cannot be read: {reason}.",
                    stage=task.stage,
                    path=path,
                    reason=error.strerror,
                )
            ) from error
        outputs[name] = {
            "path": path.replace(str(run.root), "<run>", 1) if Path(path).is_relative_to(run.root) else path,
            "files": output.files,
            "bytes": output.bytes,
        }
    return State(
        t=now,
        stage=task.stage,
        state="committed",
        outputs=outputs,
        figures=figures,
        fingerprint=fingerprint(task, run),
        seconds=round(seconds, 3),
    )


def committed(event: State, run: RunFolder) -> Committed:
    """Return what a `committed` journal entry says, with paths as they are now."""
    outputs = {
        name: Output(
            path=value["path"].replace("<run>", str(run.root), 1),
            files=dict(value["files"]),
            digest=digest_of(value["files"]),
            bytes=int(value["bytes"]),
        )
        for name, value in event.outputs.items()
    }
    return Committed(event.stage, event.t, outputs, dict(event.figures), event.fingerprint, event.seconds)
