"""Methods of training: what each can be combined with, and what a run of Steersman's own supports today.

The table is `recipes/methods.yaml`; every row names its source.
"""

from __future__ import annotations

from functools import lru_cache

import yaml
from pydantic import Field

from planner.catalogue import RECIPES
from planner.families import Family, family
from planner.language import say
from planner.plan import Plan
from planner.schema import Record
from planner.situation import Situation
from planner.stage_workers import ENGINE_WORKERS
from planner.unused import TRAINING_STAGES, unused

__all__ = [
    "LOW_BIT",
    "TRAINING_STAGES",
    "Method",
    "blocked",
    "in_stage",
    "methods",
    "next_command",
    "runnable",
    "unused",
    "variants",
]

LOW_BIT = ("nf4", "fp4")
"""Weight formats with block scales, by PaddleSlim's CUDA operators (quantization_linear.py:89-96)."""


class Method(Record):
    """One method or variant."""

    title: str = Field(description="Its name in sentences.")
    stages: dict[str, tuple[str, ...]] = Field(description="Engine -> stages in which it trains.")
    own: tuple[str, ...] = Field(
        (), description="Stages in which only Steersman's own PaddleNLP worker trains it."
    )
    needs: str = Field("", description="Ability that the model's family must have.")
    needs_in_pipeline: str = Field("", description="The same with pipeline parallelism.")
    adapter: bool = Field(False, description="Whether it trains LoRA adapters.")
    accelerator: bool = Field(False, description="Whether it needs an NVIDIA card.")
    tensor: bool = Field(True, description="Whether tensor parallelism works with it.")
    pipeline: bool = Field(True, description="Whether pipeline parallelism works with it.")
    unified: bool = Field(True, description="Whether unified checkpoints can hold it.")
    merges: bool = Field(True, description="Whether what it trains can become part of the weights.")
    packs: bool = Field(True, description="Whether rows may share a sequence.")
    runs: bool = Field(False, description="Whether `steersman run` trains, merges and proves it today.")
    source: str


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, Method]]:
    raw = yaml.safe_load((RECIPES / "methods.yaml").read_text("utf-8"))
    return {
        group: {name: Method.model_validate(row) for name, row in rows.items()} for group, rows in raw.items()
    }


def methods() -> dict[str, Method]:
    """Return the methods by name, in the order of the setting's choices."""
    return _tables()["methods"]


def variants() -> dict[str, Method]:
    """Return the variants of LoRA by name."""
    return _tables()["variants"]


def in_stage(s: Situation, row: Method) -> bool:
    """Return whether upstream's script or our own worker trains a method or variant in this stage."""
    engine, stage = s.word("engine"), s.wishes.stage
    if stage in row.stages.get(engine, ()):
        return True
    found = family(engine, s.model.model_type)
    return engine == "paddlenlp" and stage in row.own and found is not None and found.conversion_proven


def blocked(s: Situation, method: str) -> str:
    """Return why the decided engine cannot train the model with `method` in this stage, as a sentence; empty
    when it can. Degrees are not looked at."""
    row, engine = methods()[method], s.word("engine")
    found = family(engine, s.model.model_type)
    if not in_stage(s, row):
        return say(
            "{engine} has no {method} in stage {stage}.",
            engine=engine,
            method=row.title,
            stage=s.wishes.stage,
        )
    if row.needs and not (found is not None and able(found, row.needs)):
        return say(
            "{engine} has no {method} for {model_type} models.",
            engine=engine,
            method=row.title,
            model_type=s.model.model_type,
        )
    if row.accelerator and not s.on_gpu:
        return say("{method} has no CPU kernels.", method=row.title)
    if row.accelerator and s.hardware.devices[0].maker != "nvidia":
        return say("{method} has kernels for NVIDIA cards only.", method=row.title)
    return ""


def able(found: Family, ability: str) -> bool:
    """Return whether a family has an ability of the table; unknown abilities are missing ones."""
    return bool(getattr(found, ability, False))


def pipelined(engine: str, stage: str) -> bool:
    """Return whether Steersman's own workers spread layers over processes in a stage
    (runtime/workers/pipelines.py)."""
    return engine == "paddlenlp" and stage in ("sft", "pretrain")


def runnable(plan: Plan) -> str:
    """Return why `steersman run` cannot run this plan today, in one sentence; empty when it can.

    Such a plan is still complete: its folder of config and launch.sh runs with upstream's own scripts.
    """
    stage, engine = plan.wishes.stage, str(plan.value("engine"))
    found = family(engine, plan.facts.model.model_type)
    method, variant = str(plan.value("method")), str(plan.value("lora_variant"))
    reason = ""
    if stage not in ENGINE_WORKERS[engine]:
        reason = say(
            "it trains stages {stages} with {engine}, and this plan is for stage {stage}",
            stages=", ".join(ENGINE_WORKERS[engine]),
            engine=engine,
            stage=stage,
        )
    elif not methods()[method].runs:
        reason = say("it does not train with method {method} yet", method=method)
    elif int(str(plan.value("pipeline_parallel_degree"))) > 1 and not pipelined(engine, stage):
        reason = say(
            "it does not train stage {stage} with {engine} in a pipeline", stage=stage, engine=engine
        )
    elif plan.facts.hardware.nodes > 1 and engine != "paddlenlp":
        reason = say(
            "it starts {engine} on one machine, and this plan is for {nodes}",
            engine=engine,
            nodes=plan.facts.hardware.nodes,
        )
    elif methods()[method].adapter and not variants()[variant].runs:
        reason = say("it does not train {variant} adapters yet", variant=variant)
    elif not (found is not None and found.conversion_proven):
        reason = say(
            "it cannot prove yet that {model_type} models are converted exactly",
            model_type=plan.facts.model.model_type,
        )
    else:
        switches = (
            "enable_auto_parallel",
            "fuse_attention_qkv",
            "fuse_attention_ffn",
        )
        on = next((name for name in switches if plan.value(name)), None)
        if on:
            reason = say("it does not support {setting} yet", setting=on)
    if not reason:
        return ""
    return say("`steersman run` cannot run this plan: {reason}.", reason=reason)


def next_command(plan: Plan, file: str) -> str:
    """Return the command that takes the plan in `file` further: `steersman run`, or render where another
    program runs it; one for several machines is typed on each."""
    if runnable(plan):
        return f"steersman render {file} -o folder"
    place = " --master HOST:PORT --machine-rank NUMBER" if plan.facts.hardware.nodes > 1 else ""
    return f"steersman run {file}{place}"
