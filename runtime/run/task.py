"""What the supervisor must know to run one stage, and where it gets that from: the stage table.

The run engine knows nothing of Paddle, models or plans. A *table* tells it which stages a run has and, for
each, the command, the specification and what to expect. `runtime.stages.table` is the real one; the engine's
own tests use a table of tiny scripts, named by the environment variable `STEERSMAN_STAGE_TABLE` as
`module:function`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from planner.errors import BadInput
from planner.language import say
from runtime.run.layout import RunFolder

TABLE_VARIABLE = "STEERSMAN_STAGE_TABLE"
REAL_TABLE = "runtime.stages.table"


@dataclass(frozen=True)
class Output:
    """One proven output of a stage."""

    path: str
    files: dict[str, str]
    """Path inside a folder (or the file's own name) -> sha256."""
    digest: str
    """sha256 over `files`: what later stages depend on."""
    bytes: int


@dataclass(frozen=True)
class Committed:
    """A stage whose result is proven, as its journal entry says."""

    stage: str
    t: float
    outputs: dict[str, Output]
    figures: dict[str, Any]
    fingerprint: str
    seconds: float


@dataclass(frozen=True)
class StageTask:
    """One stage, ready to be started."""

    stage: str
    command: tuple[str, ...]
    spec: dict[str, Any]
    """Content of spec.json: paths are absolute."""
    files: dict[str, str] = field(default_factory=dict)
    """More files for the stage's folder: name -> text, such as config.json."""
    inputs: dict[str, str] = field(default_factory=dict)
    """Digests of the outputs that it reads, such as `convert.model` -> sha256."""
    places: dict[str, str] = field(default_factory=dict)
    """Path -> what it is. Where things lie does not determine a result, so it may change without a redo."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables that are set for it, on top of the ones that are let through."""
    secrets: tuple[str, ...] = ()
    """Names of variables with tokens that it may see; their values are never recorded."""
    inside_engine: bool = False
    """Whether it runs in an engine and so must not see the app's Python settings."""
    proofs: tuple[str, ...] = ()
    """Proofs without which its result is not accepted."""
    seconds: float = 0
    """Forecast of its wall time."""
    silence_seconds: float = 300
    """Longest silence before the watchdog calls it stalled."""
    stop_seconds: float = 5
    """How long a graceful stop may take before the process is terminated."""
    disk_bytes: int = 0
    """Space that it needs in the run folder."""
    newer_settings: bool = False
    """Whether an earlier version saved its plan, so that a key may be there that its last attempt lacked."""
    devices: int = 0
    """How many of the visible devices its processes take on a machine; 0: it is one process or needs none."""
    machines: int = 1
    """On how many machines it is started; each starts its share."""
    reserve_bytes: int = 0
    """Free space, beside two checkpoints, below which it is paused while it runs; 0: never."""


@dataclass(frozen=True)
class Easing:
    """A smaller plan for a run that was out of memory."""

    rung: str
    because: str
    """What changes, what it costs, what it is forecast to need."""
    changes: dict[str, Any]
    consent: bool
    """Whether it changes what is learned, so that only a person may take it."""
    keeps_checkpoints: bool
    """Whether training goes on from its last checkpoint."""
    plan_text: str


class Table(Protocol):
    """The stages of one run.

    A table may have three abilities more: `on_oom` (stop, ask or replan: what its plan says should happen
    when memory runs out), `ease(memory)`, which returns an `Easing` or None, and `lacking`, one line about
    what an earlier version's plan lacks.
    """

    @property
    def stages(self) -> tuple[str, ...]:
        """Their names, in order."""

    def check(self) -> None:
        """Raise a SteersmanError if the run cannot start: a missing engine, a plan that does not hold."""

    def task(self, stage: str, done: Mapping[str, Committed]) -> StageTask:
        """Return a stage's task, given the proven stages before it.

        An earlier stage may be missing from `done` (a dry run): its outputs then stand in the task as
        `<stage.output>`.
        """


class TableModule(Protocol):
    """A module that can be named as the stage table."""

    def name_of_plan(self, text: str, where: str) -> str:
        """Return the name of the plan in a file's text. BadInput, naming `where`, if it is not a plan."""

    def build(self, run: RunFolder, text: str) -> Table:
        """Return the table of a run whose plan file has this text."""


def table_module() -> TableModule:
    """Return the module that knows plans and their stages."""
    module: TableModule = importlib.import_module(os.environ.get(TABLE_VARIABLE, REAL_TABLE))
    return module


def build_table(run: RunFolder, text: str | None = None) -> Table:
    """Return the table of a run that exists; `text` is that of another plan than its own."""
    return table_module().build(run, read_plan_file(run.plan) if text is None else text)


def read_plan_file(path: Path) -> str:
    """Return the text of a plan file; BadInput if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(say("{path} is not a plan: it is not a text file.", path=path)) from error
    except OSError as error:
        raise BadInput(
            say("The plan {path} cannot be read: {reason}.", path=path, reason=error.strerror),
            remedy=say("Make one with: {command}", command="steersman plan -o plan.yaml"),
        ) from error
