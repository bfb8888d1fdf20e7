"""Recognise that a stage was out of memory, and of which, by words, by proof, or by the kernel's count."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from planner.errors import StageFailed
from runtime.events import Proof
from runtime.run.failures import Failure
from runtime.run.offer import Trouble

ROWS = {"gpu-memory": "device", "eval-memory": "evaluation", "host-memory": "host"}
"""Row of recipes/failures.yaml -> the memory that ran out."""

PROOF = "preflight.memory"
KILLED = "killed"
COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))
"""Where a container counts the processes that its memory limit killed (kernel docs, cgroup v2 and v1)."""


class OutOfMemory(StageFailed):
    """A stage ended because memory ran out; `trouble` says which."""

    def __init__(self, error: StageFailed, trouble: Trouble) -> None:
        super().__init__(error.what, why=error.why, remedy=error.remedy, details=error.details)
        self.trouble = trouble


def memory_kills() -> int:
    """Return how many processes were killed for memory so far, in this container or on this machine."""
    total = 0
    for path in (*COUNTERS, Path("/proc/vmstat")):
        with contextlib.suppress(OSError, ValueError):
            for line in path.read_text(encoding="ascii").splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    total += int(value)
    return total


def trouble_of(
    stage: str, failure: Failure | None, proofs: Iterable[Proof], *, killed_for_memory: bool
) -> Trouble | None:
    """Return which memory a failed stage ran out of; None if it failed otherwise."""
    if any(proof.name == PROOF and not proof.passed for proof in proofs):
        return Trouble(stage, "device")
    if failure is None:
        return None
    if failure.row == KILLED and killed_for_memory:
        return Trouble(stage, "host")
    memory = ROWS.get(failure.row)
    return Trouble(stage, memory) if memory else None
