"""Start, watch and harm runs of the stand-in table, in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from runtime.events import AnyEvent, State
from runtime.run import journal
from runtime.run.layout import RunFolder, create_run
from runtime.run.processes import Identity, members
from runtime.run.start import start_supervisor
from tests.runtime import stand_in_table

PATIENCE_SECONDS = 60.0


def wait_until(condition: Callable[[], Any], what: str, patience: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)


def new_run(folder: Path, **stages: dict[str, Any]) -> RunFolder:
    return create_run(folder, plan_text(**stages))


def plan_text(**stages: dict[str, Any]) -> str:
    return yaml.safe_dump({"name": "stand-in", "stages": stages}, sort_keys=False)


def change_plan(run: RunFolder, **stages: dict[str, Any]) -> None:
    run.plan.write_text(plan_text(**stages), encoding="utf-8")


def supervise(run: RunFolder, *arguments: str) -> int:
    """Run the supervisor to its end and return its exit code; it really is a process of its own."""
    command = [sys.executable, "-m", "runtime.run.supervise", str(run.root), *arguments]
    environment = {**os.environ, "STEERSMAN_STAGE_TABLE": stand_in_table.NAME}
    run.stop_requests.unlink(missing_ok=True)
    with run.supervisor_log.open("ab") as log:
        done = subprocess.run(
            command, stdout=log, stderr=log, cwd=run.root, env=environment, check=False, timeout=120
        )
    return done.returncode


def start(run: RunFolder) -> subprocess.Popen[bytes]:
    return start_supervisor(run)


def events(run: RunFolder) -> list[AnyEvent]:
    return journal.read(run.journal)


def states(run: RunFolder, stage: str) -> list[str]:
    return [event.state for event in events(run) if isinstance(event, State) and event.stage == stage]


def reason(run: RunFolder, stage: str, state: str) -> str:
    """The reason of the latest such event."""
    found = [e.reason for e in events(run) if isinstance(e, State) and e.stage == stage and e.state == state]
    assert found, f"{stage} was never {state}"
    return found[-1]


def executions(run: RunFolder) -> list[str]:
    """Stages whose work was done to the end, in order."""
    path = run.root / "executions"
    return path.read_text().split() if path.exists() else []


def worker(run: RunFolder, stage: str) -> int:
    """Pid of the stage's process once it runs."""
    wait_until(lambda: Identity.load(run.stage(stage).process), f"{stage} started")
    identity = Identity.load(run.stage(stage).process)
    assert identity is not None
    return identity.pid


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def nobody_left(run: RunFolder) -> bool:
    return not any(members(folder, None) for folder in (run.root / "stages").iterdir())
