"""Start a stage as a detached process, and know, signal and end everything that it started.

Both output streams go to a file and never to a pipe: a pipe that nobody reads blocks the child, and a pipe to
a supervisor that was killed ends it.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil

from planner.errors import StageFailed
from planner.language import say
from runtime.paths import write_atomically
from runtime.run import environment, processes
from runtime.run.layout import StageFolder
from runtime.run.processes import Identity
from runtime.run.task import StageTask

SAVING_SECONDS = 180.0
"""How long trainers may take to end their step and save a checkpoint."""
STOPPING_SECONDS = 15.0
"""How long any other stage may take to stop by itself; it has nothing to save."""
ENDING_SECONDS = 10.0
"""How long a terminated process may take to end."""

OF_ONE_ATTEMPT = ("log.txt", "result.json", "process.json", "stop", "save", "launch")


def set_attempt_aside(folder: StageFolder, *, everything: bool) -> Path | None:
    """Move what belongs to the last attempt into `attempts/<n>`; return that folder, None without one.

    `everything` also moves checkpoints and outputs: the stage's task has changed, and they must not be
    continued. Otherwise they stay, because they are the point from which the stage continues.
    """
    if not folder.root.is_dir():
        return None
    if everything:
        moved = [path for path in folder.root.iterdir() if path != folder.attempts]
    else:
        moved = [folder.root / name for name in OF_ONE_ATTEMPT] + folder.event_files()
        moved += sorted(folder.root.glob("machine-*"))
        moved = [path for path in moved if path.exists()]
    if not moved:
        return None
    number = 1 + sum(1 for _ in folder.attempts.glob("*"))
    aside = folder.attempts / str(number)
    aside.mkdir(parents=True)
    for path in moved:
        shutil.move(path, aside / path.name)
    return aside


def write_inputs(task: StageTask, folder: StageFolder) -> None:
    """Write spec, config, command and environment of a stage into its folder."""
    folder.root.mkdir(parents=True, exist_ok=True)
    for name, text in task.files.items():
        write_atomically(folder.root / name, text)
    write_atomically(folder.spec, json.dumps(task.spec, ensure_ascii=False, indent=2) + "\n")
    write_atomically(folder.inputs, json.dumps(task.inputs, indent=2, sort_keys=True) + "\n")
    command = {"command": list(task.command), "folder": str(folder.root)}
    write_atomically(folder.command, json.dumps(command, ensure_ascii=False, indent=2) + "\n")
    write_atomically(folder.environment, environment.record(task, folder.root))


class StageProcess:
    """A running stage: the process that was started and all that it started in turn."""

    def __init__(self, task: StageTask, folder: StageFolder) -> None:
        """Start it. StageFailed if the command cannot be started at all."""
        self.folder = folder
        try:
            with folder.log.open("ab") as log:
                self._process = subprocess.Popen(
                    task.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=folder.root,
                    env=environment.stage_environment(task, folder.root),
                    start_new_session=True,
                )
        except OSError as error:
            raise StageFailed(
                say(
                    "The stage {stage} cannot be started: {command}: {reason}.",
                    stage=task.stage,
                    command=task.command[0],
                    reason=error.strerror,
                )
            ) from error
        self.identity = Identity.of(self._process.pid) or Identity(self._process.pid, time.time())
        self.identity.save(folder.process, started=round(time.time(), 3))

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        return self._process.poll()

    def members(self) -> list[psutil.Process]:
        """Return all living processes of the stage."""
        return processes.members(self.folder.root, self.identity)

    def terminate(self) -> None:
        """Ask every process of the stage to end."""
        processes.send(self.members(), signal.SIGTERM)

    def kill(self) -> None:
        """End every process of the stage."""
        processes.send(self.members(), signal.SIGKILL)


def end_leftovers(folder: StageFolder) -> list[str]:
    """End processes of a stage whose supervisor is gone, gracefully first; return sentences about it."""
    patience = SAVING_SECONDS if folder.launch.is_dir() else STOPPING_SECONDS
    leader = Identity.load(folder.process)
    left = processes.members(folder.root, leader)
    if not left:
        return []
    pids = ", ".join(str(process.pid) for process in left)
    said = [
        say(
            "Processes of {stage} run without a supervisor (pid {pids}): asking them to save and stop.",
            stage=folder.name,
            pids=pids,
        )
    ]
    folder.stop.touch()
    left = processes.wait_for_end(left, patience)
    if left:
        processes.send(left, signal.SIGTERM)
        said.append(say("They did not stop within {seconds:.0f} s: terminating them.", seconds=patience))
        left = processes.wait_for_end(left, ENDING_SECONDS)
    if left:
        processes.send(left, signal.SIGKILL)
        said.append(
            say("They did not end within {seconds:.0f} s more: killing them.", seconds=ENDING_SECONDS)
        )
        processes.wait_for_end(left, 10)
    return said
