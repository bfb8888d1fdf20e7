"""A stage table with one stage of a real plan: training, or preflight where the plan wants a rehearsal.

Model and data lie ready beside the run, so that no other stage is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from planner.planfile import loads
from runtime.run.layout import RunFolder
from runtime.run.task import Committed, Output, StageTask
from runtime.stages.table import Done, PlanTable, preflight, train

NAME = "tests.runtime.train_table"


class TrainTable(PlanTable):
    @property
    def stages(self) -> tuple[str, ...]:
        return ("preflight",) if self.plan.value("rehearsal") else ("train",)

    def check(self) -> None:
        """The engine is there."""

    def task(self, stage: str, done: Mapping[str, Committed]) -> StageTask:
        lying_ready = {
            "acquire": {"model": self.run.root.parent / "hf"},
            "convert": {"model": self.run.root.parent / "model"},
            "prepare": {"data": self.run.root.parent / "data"},
        }
        ready = Done({name: committed(name, paths) for name, paths in lying_ready.items()})
        return preflight(self, ready) if stage == "preflight" else train(self, ready)


def committed(stage: str, paths: Mapping[str, Path]) -> Committed:
    outputs = {name: Output(str(path), {}, "0" * 64, 0) for name, path in paths.items()}
    return Committed(stage, 0.0, outputs, {}, "", 0.0)


def name_of_plan(text: str, where: str) -> str:
    return loads(text, where).name


def build(run: RunFolder, text: str) -> TrainTable:
    return TrainTable(run, loads(text, str(run.plan)))
