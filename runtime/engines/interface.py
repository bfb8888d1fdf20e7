"""What an engine is to a run: one declared thing. A third engine is one more entry of `ENGINES`.

    data        recipes/engines/<name>/     what each architecture supports, arguments; lock files beside it
    templates   recipes/<name>/             its config files, from a plan
    workers     runtime/workers/<name>/     modules with `main(spec, arguments)`, one for each stage of a run

Every worker speaks through `runtime.workers.emit.Emitter` (the event adapter: whatever the toolkit calls
things, progress, figures, proofs and errors leave it in one form), listens to `runtime.workers.stop`, and
ends with a result.json. `CONTRIBUTING.md` says how to add one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from planner.catalogue import RECIPES
from planner.errors import BadInput
from planner.language import say
from planner.stage_workers import ENGINE_WORKERS, worker

INSIDE = ("convert", "preflight", "train", "merge", "generate", "chat")
"""Stages of a run that are worked inside an engine; the others run in the app's own environment."""


class Engine(NamedTuple):
    """One toolkit, as the stages of a run see it."""

    name: str
    config: str
    """File name of the toolkit's own config in the folder of a stage."""
    toolkit_rows: bool
    """Whether the toolkit reads rows in layouts of its own, beside train.json and dev.json."""
    environment: Mapping[str, str] = {}
    """Variables of every process inside it."""

    @property
    def data(self) -> Path:
        """What is known about it: families.yaml, arguments.yaml, scripts.yaml."""
        return RECIPES / "engines" / self.name

    @property
    def templates(self) -> Path:
        """Its config files, as templates."""
        return RECIPES / self.name

    def worker(self, plan_stage: str, stage: str) -> str:
        """Return the module in `runtime/workers` for a stage of a run of such a plan."""
        return worker(plan_stage, stage, self.name)

    def runs(self) -> tuple[str, ...]:
        """Return the stages of plans that its workers train."""
        return tuple(ENGINE_WORKERS[self.name])


ENGINES = {
    engine.name: engine
    for engine in (
        Engine("paddlenlp", "config.json", toolkit_rows=False),
        Engine(
            "paddleformers",
            "config.yaml",
            toolkit_rows=True,
            # Models and tokenizers are local folders: no library shall look for them elsewhere.
            environment={"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
        ),
    )
}


def engine(name: str) -> Engine:
    """Return a declared engine; BadInput for a plan that names another one."""
    if name not in ENGINES:
        raise BadInput(
            say("This plan wants the engine {engine}, which Steersman does not have.", engine=name),
            remedy=say("Its engines are {engines}. Make the plan again.", engines=", ".join(ENGINES)),
        )
    return ENGINES[name]
