"""Published measurements as the planner sees them: each row as model, set-up, profile and metric, or the
reason why it cannot be mapped. No row is dropped silently."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from bench.published import models, reading, toolkits
from planner.facts import ModelFacts
from planner.memory.forecast import TENSORS, Which, terms
from planner.memory.profile import PADDLENLP, Profile
from planner.phrases import GIB
from planner.setup import Setup

Row = dict[str, Any]
Metric = Literal["allocated", "reserved", "device"]
"""What was measured: tensors alone (max_memory_allocated), with the allocator's gaps
(max_memory_reserved), or all memory in use on the device (nvidia-smi)."""

CASES = Path(__file__).parents[3] / "shared" / "facts" / "memory_cases.json"


class Unmappable(Exception):
    """A row that cannot be put in the planner's terms; says why."""


@dataclass(frozen=True)
class Case:
    """One measurement in the planner's terms."""

    row: Row
    model: ModelFacts
    setup: Setup
    profile: Profile
    metric: Metric
    which: Which
    limit: int | None
    """Memory of one device in bytes, when known."""

    @property
    def peak(self) -> float | None:
        """Measured peak of one device in bytes; None where nothing was measured (out of memory, speed
        alone)."""
        peak = self.row.get("peak_mem_gb")
        return None if peak is None else float(peak) * reading.unit_bytes(self.row)

    def forecast(self) -> float:
        """Return forecast bytes of the same metric."""
        parts = terms(self.model, self.setup, "gpu", self.profile, self.which)
        names = TENSORS if self.metric == "allocated" else tuple(parts)
        if self.metric == "reserved":
            names = (*TENSORS, "allocator")
        return float(sum(float(parts[name]) for name in names))

    def device_forecast(self) -> float:
        """Return forecast bytes of everything on the device, whatever was measured."""
        return float(
            sum(float(value) for value in terms(self.model, self.setup, "gpu", self.profile).values())
        )


@dataclass(frozen=True)
class Unmapped:
    """A row that cannot be mapped, and why."""

    row: Row
    reason: str


def load(path: Path = CASES, core_only: bool = True) -> tuple[list[Case], list[Unmapped]]:
    """Return the rows of a file of measurements: those mapped, and those that cannot be."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    cases: list[Case] = []
    unmapped: list[Unmapped] = []
    for row in rows:
        if core_only and not row.get("core"):
            continue
        try:
            cases.append(case(row))
        except (Unmappable, ValueError, KeyError, TypeError) as why:
            unmapped.append(Unmapped(row, str(why)))
    return cases, unmapped


def case(row: Row) -> Case:
    """Return one row in the planner's terms; `Unmappable` says what is missing or unknown."""
    measured = str(row.get("mem_metric")).lower()
    if "activation" in measured or "not a peak" in measured:
        raise Unmappable(f"no peak was measured but {row.get('mem_metric')}")
    model = models.model(str(row.get("model")))
    if model is None:
        raise Unmappable(f"unknown model {row.get('model')}")
    if row.get("seq_len") is None or row.get("micro_batch") is None:
        raise Unmappable("sequence length or micro-batch is not stated")
    model = reading.adjusted(model, row)
    setup = reading.setup(row, model)
    return Case(
        row=row,
        model=model,
        setup=setup,
        profile=profile(row, model, setup),
        metric=metric(row),
        which="first" if "rank 0" in str(row.get("mem_scope")) and setup.pipeline > 1 else "fullest",
        limit=int(row["gpu_mem_gb"] * GIB) if row.get("gpu_mem_gb") else None,
    )


def metric(row: Row) -> Metric:
    """Return what was measured. Where nothing is named, everything on the device: the careful reading;
    litgpt prints max_memory_allocated (finetune/lora.py), ms-swift logs reserved memory
    (swift/trainers/mixin.py)."""
    text = str(row.get("mem_metric")).lower()
    if "allocated" in text or "active" in text:
        return "allocated"
    if "reserved" in text:
        return "reserved"
    toolkit = reading.text(row, "framework")
    if "litgpt" in toolkit or "lit-gpt" in toolkit:
        return "allocated"
    return "reserved" if "swift" in toolkit or "torchtune" in toolkit else "device"


def profile(row: Row, model: ModelFacts, setup: Setup) -> Profile:
    """Return how the row's toolkit spends memory, with what the row says it switched on."""
    toolkit, extra = str(row.get("framework")).lower(), row.get("extra") or {}
    if reading.is_paddle(row):
        auto = "auto" in toolkit or "static" in toolkit or "fleetx" in toolkit
        return toolkits.PADDLE_STATIC if auto else PADDLENLP
    if reading.is_megatron(row):
        fp8 = "fp8" in str(row.get("precision")).lower()
        return toolkits.float8(toolkits.MEGATRON) if fp8 else toolkits.MEGATRON
    if "torchtune" in toolkit:
        found = toolkits.TORCHTUNE
    elif "litgpt" in toolkit or "lit-gpt" in toolkit:
        found = toolkits.LITGPT
    elif reading.deepspeed(row):
        found = toolkits.DEEPSPEED
    elif reading.qwen_scripts(row):
        found = toolkits.OLD_PEFT
    else:
        found = toolkits.FSDP if setup.sharding == 3 else toolkits.TORCH
    if model.model_type in toolkits.UNCAST and "lit" not in toolkit:
        found = toolkits.without_cast(found, reading.autocast(row))
    if model.model_type in toolkits.SCALED_SCORES:
        found = replace(found, logit_copies=0.0)
    if model.model_type in toolkits.FLOAT_NORMS:
        found = replace(found, norm_copies=4.0)
    if reading.trains_ends(row, setup.method):
        found = replace(found, trained_ends=True)
    switches = str(extra.get("framework_config", ""))
    if "foak" in switches or "fast-kernels" in switches:
        found = toolkits.fused_loss_kernel(found)
    if "baseline" in switches and setup.sharding != 3:
        found = toolkits.wide_residual(found)
    if extra.get("compile"):
        found = toolkits.compiled(found)
    return toolkits.torchtune_switches(found, extra) if "torchtune" in toolkit else found
