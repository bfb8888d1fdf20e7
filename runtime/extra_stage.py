"""Do a stage on the result of a run whose plan did not ask for it: beside its stages, with its proofs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from planner.errors import StageFailed
from planner.language import say
from runtime.events import EVENT, AnyEvent, Error, Proof
from runtime.paths import PROJECT, write_atomically
from runtime.run.commit import missing_proof, read_result
from runtime.run.environment import stage_environment
from runtime.run.layout import StageFolder
from runtime.run.task import StageTask

LOOK_SECONDS = 0.2
STOP_SECONDS = 20.0


class Done(NamedTuple):
    """What the stage left."""

    outputs: dict[str, str]
    figures: dict[str, Any]
    proofs: list[Proof]


class EventReader:
    """Reads a growing file of events, whole lines only."""

    def __init__(self, path: Path) -> None:
        self.path, self.place = path, 0
        self.proofs: list[Proof] = []
        self.error: Error | None = None

    def read(self, on_event: Callable[[AnyEvent], None]) -> None:
        """Hand on what came since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.place)
                text = file.read()
        except FileNotFoundError:
            return
        whole = text[: text.rfind(b"\n") + 1]
        self.place += len(whole)
        for line in whole.splitlines():
            try:
                event = EVENT.validate_json(line)
            except ValidationError:
                continue
            if isinstance(event, Proof):
                self.proofs.append(event)
            if isinstance(event, Error):
                self.error = event
            on_event(event)


def do_stage(
    stage: str,
    folder: Path,
    python: Path,
    environment: Mapping[str, str],
    spec: dict[str, Any],
    *,
    proofs: tuple[str, ...],
    on_event: Callable[[AnyEvent], None],
) -> Done:
    """Run a stage's worker in `folder` to its end. `StageFailed` when it fails or lacks a proof.

    Ctrl-C is handed on: the worker ends politely and removes what was half done.
    """
    place = StageFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in (place.result, *place.event_files()):
        old.unlink(missing_ok=True)
    spec = {"stage": stage, "stage_folder": str(folder), **spec}
    write_atomically(place.spec, json.dumps(spec, indent=2, ensure_ascii=False) + "\n")
    start = PROJECT / "runtime" / "workers" / "start.py"
    command = (str(python), str(start), stage, str(place.spec))
    task = StageTask(
        stage=stage,
        command=command,
        spec=spec,
        environment=dict(environment),
        inside_engine=True,
        proofs=proofs,
    )
    reader = EventReader(folder / "events-rank0.jsonl")
    with place.log.open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=stage_environment(task, folder), start_new_session=True
        )
    try:
        while process.poll() is None:
            time.sleep(LOOK_SECONDS)
            reader.read(on_event)
    finally:
        end(process)
    reader.read(on_event)
    result = read_result(place)
    if result is None:
        raise failure(stage, reader.error, place)
    if problem := missing_proof(task, reader.proofs):
        raise StageFailed(problem)
    return Done(*result, reader.proofs)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a worker that still runs: politely first, then at once."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def failure(stage: str, error: Error | None, place: StageFolder) -> StageFailed:
    """Return why a stage failed, in the worker's own words if it had any."""
    log = say("Its log says why: {path}", path=place.log)
    if error is None:
        return StageFailed(say("The stage {stage} ended without a result.", stage=stage), remedy=log)
    return StageFailed(error.what, why=error.why, remedy=error.remedy or log)
