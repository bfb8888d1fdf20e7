"""Start the supervisor of a run, detached from whoever starts it."""

from __future__ import annotations

import subprocess
import sys
import time

from planner.errors import BadInput, SteersmanError
from planner.language import say
from runtime.run import status
from runtime.run.layout import RunFolder
from runtime.run.offer import Policy, required
from runtime.run.processes import Identity

PATIENCE_SECONDS = 30.0
LEAVING_SECONDS = 5.0


def start_supervisor(
    run: RunFolder,
    until: str | None = None,
    *,
    on_oom: Policy | None = None,
    accept: bool = False,
    master: str | None = None,
) -> subprocess.Popen[bytes]:
    """Start it and return its process once it holds the run. BadInput if the run already has one.

    `on_oom` goes before what the plan says; `accept` takes the smaller plan that the run offers; at `master`
    (HOST:PORT) the other machines of a plan for several join.

    It runs in a session of its own, with the run folder as working folder, and writes to supervisor.log.
    """
    if _is_taken(run):
        raise BadInput(
            say("The run {run} is already running.", run=run.name),
            remedy=say("Follow it with: {command}", command=f"steersman logs {run.name} --follow"),
        )
    if accept:
        required(run)
    run.stop_requests.unlink(missing_ok=True)
    command = [sys.executable, "-m", "runtime.run.supervise", str(run.root)]
    command += ["--until", until] if until else []
    command += ["--on-oom", on_oom] if on_oom else []
    command += ["--accept"] if accept else []
    command += ["--master", master] if master else []
    try:
        log = run.supervisor_log.open("ab")
    except OSError as error:
        raise BadInput(
            say("{path} cannot be written: {reason}.", path=run.supervisor_log, reason=error.strerror)
        ) from error
    with log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=run.root, start_new_session=True
        )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        identity = Identity.load(run.supervisor)
        if identity is not None and identity.pid == process.pid:
            return process
        if process.poll() is not None:
            raise SteersmanError(
                say("The supervisor of {run} did not start: {reason}", run=run.name, reason=_last_line(run)),
                details=str(command),
            )
        time.sleep(0.02)
    raise SteersmanError(
        say("The supervisor of {run} did not start in time.", run=run.name),
        remedy=say("Details: {path}.", path=run.supervisor_log),
    )


def _is_taken(run: RunFolder) -> bool:
    """Return whether the run has a supervisor; one that has said its last word is given time to leave."""
    deadline = time.monotonic() + LEAVING_SECONDS
    while status.supervisor_of(run) is not None:
        if status.read_status(run).view.state == "running" or time.monotonic() > deadline:
            return True
        time.sleep(0.02)
    return False


def _last_line(run: RunFolder) -> str:
    lines = run.supervisor_log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else say("see {path}", path=run.supervisor_log)
