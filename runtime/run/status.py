"""What state a run is in, from its files and its lock alone. Never "finished" by guess."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planner.language import say, template
from runtime.run import journal, lock, processes, view
from runtime.run.layout import RunFolder
from runtime.run.processes import Identity
from runtime.run.view import RunView

RunState = Literal["created", "running", "finished", "failed", "stopped", "paused", "waiting", "lost"]
ENDED: tuple[RunState, ...] = ("finished", "failed", "stopped", "paused", "waiting")

MEANING: dict[RunState, str] = {
    "created": template("not started yet"),
    "running": template("its supervisor is alive"),
    "finished": template("every stage is proven"),
    "failed": template("a stage failed; resume continues from the last proven point"),
    "stopped": template("stopped on request; resume continues"),
    "paused": template("paused on request; resume continues"),
    "waiting": template("waits for your answer; resume --accept takes the offer"),
    "lost": template("its supervisor is gone without a word; resume continues from the last proven point"),
}


@dataclass(frozen=True)
class Status:
    """A run's state, with the evidence."""

    run: RunFolder
    state: RunState
    view: RunView
    supervisor: Identity | None
    orphans: tuple[int, ...] = ()
    """Pids of worker processes that outlived their supervisor."""

    @property
    def reason(self) -> str:
        """Why it is in that state, in words."""
        if self.state == "failed" and self.view.error is not None:
            return self.view.error.what
        if self.state == "lost" and self.orphans:
            pids = ", ".join(map(str, self.orphans))
            return say(
                "its supervisor is gone; worker processes are still alive (pid {pids}); resume settles that",
                pids=pids,
            )
        if self.state in ("stopped", "paused", "waiting", "failed") and self.view.reason:
            return self.view.reason
        return say(MEANING[self.state])


def supervisor_of(run: RunFolder) -> Identity | None:
    """Return the living supervisor of a run, or None.

    The lock is released by the kernel when its holder dies, so a held lock is proof enough; the recorded pid
    covers file systems without locks.
    """
    recorded = Identity.load(run.supervisor)
    if recorded is not None and recorded.process() is not None:
        return recorded
    return Identity(0, 0) if lock.is_held(run.lock) else None


def read_status(run: RunFolder, stages: tuple[str, ...] = ()) -> Status:
    """Return the state of a run."""
    supervisor = supervisor_of(run)
    seen = view.fold(journal.read(run.journal), stages)
    state = state_of(seen, alive=supervisor is not None)
    if state == "running":
        return Status(run, state, seen, supervisor)
    return Status(run, state, seen, None, _orphans(run) if state == "lost" else ())


def state_of(seen: RunView, *, alive: bool) -> RunState:
    """Return a run's state from its journal and whether its supervisor lives."""
    if alive and seen.state != "finished":
        return "running"
    for state in (*ENDED, "created"):
        if seen.state == state:
            return state
    return "lost"


def _orphans(run: RunFolder) -> tuple[int, ...]:
    found: list[int] = []
    for folder in sorted((run.root / "stages").glob("*")):
        leader = Identity.load(folder / "process.json")
        found += [process.pid for process in processes.members(folder, leader)]
    return tuple(found)
