"""A stage table for tests of the run engine: the plan maps stages to behaviours of `stand_in_stage`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from planner.errors import BadInput
from runtime.run.layout import RunFolder
from runtime.run.task import Committed, Easing, StageTask

NAME = "tests.runtime.stand_in_table"
SCRIPT = Path(__file__).with_name("stand_in_stage.py")


class StandInTable:
    def __init__(self, run: RunFolder, text: str) -> None:
        self.run = run
        self.values: dict[str, Any] = yaml.safe_load(text)
        self.behaviours: dict[str, dict[str, Any]] = self.values["stages"]

    @property
    def machines(self) -> int:
        return int(self.values.get("machines", 1))

    @property
    def lacking(self) -> str:
        return str(self.values.get("lacking", ""))

    @property
    def on_oom(self) -> str:
        return str(self.values.get("on_oom", "stop"))

    def ease(self, memory: str) -> Easing | None:
        """Halve `size` of the stage train; at 1 only the stage's `value` can be given up, with consent."""
        train = dict(self.behaviours["train"])
        size = int(train.get("size", 1))
        if size == 1 and not train.get("value"):
            return None
        changes = {"size": size // 2} if size > 1 else {"value": 0}
        stages = {**self.behaviours, "train": train | changes}
        return Easing(
            rung="size" if size > 1 else "value",
            because=f"{memory}: {changes}.",
            changes=changes,
            consent=size == 1,
            keeps_checkpoints=size > 1,
            plan_text=yaml.safe_dump({**self.values, "stages": stages}, sort_keys=False),
        )

    @property
    def stages(self) -> tuple[str, ...]:
        return tuple(self.behaviours)

    def check(self) -> None:
        if "broken" in self.behaviours:
            raise BadInput("The engine is not installed.", remedy="Run: steersman engines install paddlenlp")

    def task(self, stage: str, done: Mapping[str, Committed]) -> StageTask:
        folder = self.run.stage(stage).root
        behaviour = dict(self.behaviours[stage] or {})
        expect = {
            name: behaviour.pop(name)
            for name in (
                "silence_seconds",
                "stop_seconds",
                "disk_bytes",
                "reserve_bytes",
                "environment",
                "secrets",
                "inside_engine",
                "machines",
            )
            if name in behaviour
        }
        spec = {"stage": stage, "stage_folder": str(folder), "run_folder": str(self.run.root), **behaviour}
        inputs = {}
        position = self.stages.index(stage)
        if position:
            source = self.stages[position - 1]
            known = done.get(source)
            spec["source"] = known.outputs["output"].path if known else f"<{source}.output>"
            inputs = {f"{source}.output": known.outputs["output"].digest} if known else {}
        return StageTask(
            stage=stage,
            command=(sys.executable, str(SCRIPT), str(folder / "spec.json")),
            spec=spec,
            files={"config.json": json.dumps({"value": behaviour.get("value")})},
            inputs=inputs,
            proofs=("holds",),
            newer_settings=bool(self.lacking),
            **expect,
        )


def name_of_plan(text: str, where: str) -> str:
    plan = yaml.safe_load(text)
    if not isinstance(plan, dict) or "stages" not in plan:
        raise BadInput(f"{where} is not a plan.")
    return str(plan.get("name", "stand-in"))


def build(run: RunFolder, text: str) -> StandInTable:
    return StandInTable(run, text)
