"""Run one worker in an engine outside of any run: wait for it, show its progress, return its proofs.

The same start, environment and events as in a run; the worker's folder is a temporary one. Ctrl-C asks the
worker to stop, which takes away what is half done.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from planner.engine_builds import engines
from planner.errors import BadInput, StageFailed
from planner.language import say
from runtime.engines.registry import python_of, state
from runtime.events import EVENT, AnyEvent, Error, Log, Progress, Proof
from runtime.paths import PROJECT, home
from runtime.run.environment import ON_HOST, stage_environment
from runtime.run.task import StageTask

START = PROJECT / "runtime" / "workers" / "start.py"
POLL_SECONDS = 0.1
STOPPING_SECONDS = 30.0

Show = Callable[[float, float, str, str], None]


class Outcome(NamedTuple):
    """What a worker gave."""

    outputs: dict[str, str]
    figures: dict[str, Any]
    proofs: list[Proof]
    warnings: list[str]


def installed_python(engine: str = "paddlenlp") -> Path:
    """Return the interpreter of any installed build of an engine, a CPU build first; BadInput without one."""
    for build in sorted(engines()[engine].builds, key=lambda name: name != "cpu"):
        if state(engine, build).state == "installed":
            return python_of(engine, build)
    return python_of(engine, "cpu")


def run_worker(
    worker: str, spec: dict[str, Any], show: Show, python: Path | None = None, *, on_host: bool = True
) -> Outcome:
    """Run `worker` with `spec` and return what it gave; StageFailed in its own words when it fails.

    Unless `on_host` is False it sees no device, and computes as its proofs need it.
    """
    python = python or installed_python()
    (home() / "tmp").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{worker}-", dir=home() / "tmp") as name:
        folder = Path(name)
        values = {"stage": worker, "stage_folder": name, **spec}
        (folder / "spec.json").write_text(json.dumps(values), encoding="utf-8")
        command = (str(python), str(START), worker, str(folder / "spec.json"))
        environment = ON_HOST if on_host else {}
        task = StageTask(worker, command, values, environment=environment, inside_engine=True)
        with (folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=stage_environment(task, folder),
                start_new_session=True,
            )
        events = _follow(process, folder, show)
        return _outcome(worker, folder, process.returncode, events)


def _follow(process: subprocess.Popen[bytes], folder: Path, show: Show) -> list[AnyEvent]:
    """Read events until the process ends; on Ctrl-C ask it to stop and wait."""
    path, position = folder / "events-rank0.jsonl", 0
    events: list[AnyEvent] = []
    try:
        ended = False
        while not ended:
            ended = process.poll() is not None
            if path.exists():
                with path.open("rb") as file:
                    file.seek(position)
                    for line in file:
                        if not line.endswith(b"\n"):
                            break
                        position += len(line)
                        event = EVENT.validate_json(line)
                        events.append(event)
                        if isinstance(event, Progress):
                            show(event.done, event.total, event.unit, event.message)
            if not ended:
                time.sleep(POLL_SECONDS)
    except BaseException:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOPPING_SECONDS)
        if process.poll() is None:
            process.kill()
        raise
    return events


def _outcome(worker: str, folder: Path, code: int, events: list[AnyEvent]) -> Outcome:
    result = folder / "result.json"
    if result.exists():
        values = json.loads(result.read_text(encoding="utf-8"))
        proofs = [event for event in events if isinstance(event, Proof)]
        warnings = [event.message for event in events if isinstance(event, Log) and event.level == "warning"]
        return Outcome(values["outputs"], values["figures"], proofs, warnings)
    failed = [event for event in events if isinstance(event, Error)]
    if failed:
        raise StageFailed(failed[-1].what, why=failed[-1].why, remedy=failed[-1].remedy)
    log = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
    raise StageFailed(
        say("The worker {worker} ended without a result (exit code {code}).", worker=worker, code=code),
        details=log[-4000:],
    )


def check_destination(folder: Path, *sources: Path) -> None:
    """Raise BadInput if `folder` exists and is not empty, or lies in a folder that must stay as it is."""
    folder = folder.resolve()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise BadInput(
            say("{folder} exists already.", folder=folder),
            remedy=say("Name a new folder, or remove that one."),
        )
    for source in sources:
        if folder == source.resolve() or folder.is_relative_to(source.resolve()):
            raise BadInput(
                say("{folder} lies in {source}, which is never written to.", folder=folder, source=source)
            )
