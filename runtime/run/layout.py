"""Where everything of a run lies on disk, how a run folder is made, and how a person names one."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from planner.errors import BadInput
from planner.language import say
from runtime.paths import runs_folder, write_atomically


@dataclass(frozen=True)
class StageFolder:
    """The files of one stage of a run."""

    root: Path

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.root.name

    @property
    def spec(self) -> Path:
        """What the worker was asked to do."""
        return self.root / "spec.json"

    @property
    def inputs(self) -> Path:
        """Digests of the earlier outputs that it reads."""
        return self.root / "inputs.json"

    @property
    def command(self) -> Path:
        """The exact command, as an argument list."""
        return self.root / "command.json"

    @property
    def environment(self) -> Path:
        """The variables that were set for it; names only of secrets that were let through."""
        return self.root / "environment.json"

    @property
    def log(self) -> Path:
        """Both output streams of the stage's process."""
        return self.root / "log.txt"

    @property
    def result(self) -> Path:
        """Written last by the worker: outputs and figures."""
        return self.root / "result.json"

    @property
    def process(self) -> Path:
        """Identity of the process that was started: pid and creation time."""
        return self.root / "process.json"

    @property
    def stop(self) -> Path:
        """Exists while the worker is asked to stop gracefully."""
        return self.root / "stop"

    @property
    def save(self) -> Path:
        """Exists while training is asked for a checkpoint; the worker removes it once it has seen it."""
        return self.root / "save"

    @property
    def launch(self) -> Path:
        """Logs of each rank, written by Paddle's launcher."""
        return self.root / "launch"

    @property
    def attempts(self) -> Path:
        """Logs and events of earlier attempts, one numbered folder each."""
        return self.root / "attempts"

    def event_files(self) -> list[Path]:
        """Return the event files of the current attempt, rank 0 first."""
        return sorted(self.root.glob("events-rank*.jsonl"), key=lambda path: (len(path.name), path.name))

    def rank_logs(self) -> list[Path]:
        """Return the launcher's log of each rank, rank 0 first; empty for stages without a launcher."""
        return sorted(self.launch.glob("workerlog.*"), key=lambda path: (len(path.name), path.name))


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    root: Path

    @property
    def name(self) -> str:
        """The run's name: that of its folder."""
        return self.root.name

    @property
    def plan(self) -> Path:
        """The plan that is executed."""
        return self.root / "plan.yaml"

    @property
    def offer(self) -> Path:
        """A smaller plan that is offered after a failure, until it is taken or the run goes on without it."""
        return self.root / "offer.json"

    @property
    def versions(self) -> Path:
        """What the run was made with: packages, model, data, plan, machine."""
        return self.root / "versions.json"

    def earlier_plans(self) -> list[Path]:
        """Return the plans that were executed before the present one, oldest first: plan-1.yaml, ..."""
        found = self.root.glob("plan-*.yaml")
        return sorted(found, key=lambda path: (len(path.name), path.name))

    @property
    def journal(self) -> Path:
        """All events; the only source of truth about what has happened."""
        return self.root / "journal.jsonl"

    @property
    def reserve(self) -> Path:
        """A block of disk that is given up when the disk is full, so that the end can still be recorded."""
        return self.root / ".journal.reserve"

    @property
    def supervisor(self) -> Path:
        """Identity of the supervisor: pid, creation time, host."""
        return self.root / "supervisor.json"

    @property
    def supervisor_log(self) -> Path:
        """Both output streams of the supervisor."""
        return self.root / "supervisor.log"

    @property
    def lock(self) -> Path:
        """Held exclusively by the supervisor for as long as it lives."""
        return self.root / "lock"

    @property
    def stop_requests(self) -> Path:
        """One line per request to stop, since the supervisor was started."""
        return self.root / "stop-requests"

    @property
    def origin(self) -> Path:
        """Where the run was created from; relative paths in its plan are relative to that folder."""
        return self.root / "origin.json"

    def stage(self, name: str) -> StageFolder:
        """Return the folder of one stage."""
        return StageFolder(self.root / "stages" / name)

    @property
    def reference(self) -> str:
        """How a person names it in a command: by name in the runs folder, else by path."""
        return self.name if self.root.parent == runs_folder() else shlex.quote(str(self.root))

    def started_in(self) -> Path:
        """Return the folder in which the person created the run."""
        try:
            return Path(json.loads(self.origin.read_text(encoding="utf-8"))["folder"])
        except (OSError, ValueError, KeyError, TypeError):
            return self.root


def is_run(folder: Path) -> bool:
    """Return whether `folder` is a run folder."""
    return (folder / "plan.yaml").is_file() and (folder / "origin.json").is_file()


def create_run(folder: Path, plan_text: str, started_in: Path | None = None) -> RunFolder:
    """Make a run folder holding this plan. BadInput if something else already lies there.

    `started_in` is the folder that relative paths of the plan are relative to; default: the current one.
    """
    run = RunFolder(folder.absolute())
    if run.root.exists() and (not run.root.is_dir() or any(run.root.iterdir())):
        raise BadInput(
            say("{folder} already exists and is not an empty folder.", folder=run.root),
            remedy=say("Name another with --run."),
        )
    try:
        (run.root / "stages").mkdir(parents=True)
        write_atomically(run.plan, plan_text)
        origin = {"folder": str(started_in or Path.cwd()), "created": round(time.time(), 3)}
        write_atomically(run.origin, json.dumps(origin, indent=2) + "\n")
        _remember(run)
    except OSError as error:
        raise BadInput(
            say(
                "The run folder {folder} cannot be written: {reason}.",
                folder=run.root,
                reason=error.strerror,
            ),
            remedy=say("Name another with --run."),
        ) from error
    return run


def _remember(run: RunFolder) -> None:
    """Leave a link to a run that lies elsewhere in the runs folder, so that `runs` and `latest` know it."""
    folder = runs_folder()
    if run.root.parent == folder:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for link in folder.iterdir():
        if link.is_symlink() and (not link.exists() or link.resolve() == run.root.resolve()):
            link.unlink()  # the run was removed, or was an earlier one in the same place
    names = itertools.chain([run.name], (f"{run.name}-{number}" for number in itertools.count(2)))
    link = next(folder / name for name in names if not os.path.lexists(folder / name))
    link.symlink_to(run.root.resolve())


def list_runs() -> list[RunFolder]:
    """Return the runs in the runs folder and those linked there, most recently active first."""
    folder = runs_folder()
    if not folder.is_dir():
        return []
    runs = {path.resolve() for path in folder.iterdir() if is_run(path)}
    return sorted(map(RunFolder, runs), key=last_active, reverse=True)


def last_active(run: RunFolder) -> float:
    """Return when the run last recorded anything, in seconds since the epoch."""
    file = run.journal if run.journal.exists() else run.origin
    return file.stat().st_mtime


def find_run(name: str) -> RunFolder:
    """Return the run that a person names by path, by name, or as `latest`."""
    if name == "latest":
        runs = list_runs()
        if not runs:
            raise BadInput(
                say("There are no runs in {folder} yet.", folder=runs_folder()),
                remedy=say("Start one with: {command}", command="steersman run plan.yaml"),
            )
        return runs[0]
    candidates = [Path(name).expanduser(), runs_folder() / name]
    if os.sep in name or name in (".", ".."):
        candidates = candidates[:1]
    for candidate in candidates:
        if is_run(candidate):
            return RunFolder(candidate.resolve())
    remedy = say("See the runs with: {command}", command="steersman runs")
    if candidates[0].exists():
        raise BadInput(
            say(
                "{folder} is not a run folder: plan.yaml and origin.json are not in it.",
                folder=candidates[0].absolute(),
            ),
            remedy=remedy,
        )
    where: object = candidates[0].absolute()
    if len(candidates) > 1:
        where = say("{one} or {other}", one=runs_folder(), other=Path.cwd())
    raise BadInput(say("There is no run {name} in {place}.", name=repr(name), place=where), remedy=remedy)
