"""The forecast of a plan: memory by part, speed, time by stage, disk, cost."""

from __future__ import annotations

import math
from dataclasses import replace

from planner import memory, pace
from planner.assumptions import assumptions
from planner.budget import look_seconds, start_seconds
from planner.phrases import GIB, MIB
from planner.plan import Forecast, MemoryPart
from planner.rules.checkpoints import checkpoint_bytes
from planner.search.base import held, memory_limit, profile_of
from planner.search.ranking import memory_ratio
from planner.setup import FULL_RECOMPUTE, Setup
from planner.situation import Situation
from planner.stage_times import stage_seconds, stored_bytes
from planner.unused import WITHOUT_TRAINING
from planner.workload import kept_tokens


def make_forecast(s: Situation) -> Forecast:
    """Return the forecast of a complete set of decisions."""
    setup = pace.setup_of(s)
    parts = peak_parts(s, setup)
    peak = memory.total(parts)
    per_node = max(1, int(setup.processes) // s.hardware.nodes)
    steps, seconds_per_step = s.whole("max_steps"), pace.step_seconds(s)
    train = steps * seconds_per_step + evaluation_seconds(s) + start_seconds(s)
    low, high = pace.time_range(s)
    stages = stage_seconds(s) | {"train": round(train, 1)}
    real = kept_tokens(s.data, s.whole("max_length")) / max(1e-9, pace.epoch_seconds(s))
    host = peak * per_node if not s.on_gpu else int(memory.host_bytes(s.model, setup, per_node))
    return Forecast(
        memory_parts=parts,
        peak_memory_bytes=peak,
        memory_limit_bytes=memory_limit(s, setup),
        host_memory_bytes=host,
        disk_bytes=disk_bytes(s),
        tokens_per_second=round(real, 1),
        step_seconds=round(seconds_per_step, 3),
        train_seconds=round(train, 1),
        train_seconds_low=round(train * low, 1),
        train_seconds_high=round(train * high, 1),
        cost=cost(s, train),
        evaluation_peak_bytes=evaluation_peak(s, setup),
        memory_ratio=memory_ratio(s),
        speed_ratio=pace.speed_ratio(s),
        total_seconds=round(sum(stages.values()), 1),
        stage_seconds=stages,
        assumptions=assumptions(s, host, train),
    )


def peak_parts(s: Situation, setup: Setup) -> dict[str, MemoryPart]:
    """Return the peak by part, corrected by what was measured on this machine."""
    parts, ratio = memory.peak(s.model, held(setup), s.device, profile_of(s)), memory_ratio(s)
    if ratio == 1.0:
        return parts
    return {name: part.model_copy(update={"bytes": int(part.bytes * ratio)}) for name, part in parts.items()}


def evaluation_peak(s: Situation, setup: Setup) -> int | None:
    """Return the peak of one process in an evaluation: states stay, gradients are gone, one block's
    activations and the scores of a batch come and go."""
    if s.word("evaluation_strategy") == "no":
        return None
    batch = s.whole("per_device_eval_batch_size") if setup.pipeline == 1 else setup.micro_batch
    looking = replace(setup, micro_batch=batch, recompute=FULL_RECOMPUTE)
    parts = peak_parts(s, looking)
    return memory.total({name: part for name, part in parts.items() if name != "gradients"})


def cost(s: Situation, seconds: float) -> float | None:
    """Return the money for `seconds` on all devices (or CPU machines); None when no price is known."""
    price = s.wishes.cost_per_device_hour
    if price is None:
        return None
    return round(price * (s.hardware.device_count if s.on_gpu else s.hardware.nodes) * seconds / 3600, 2)


def evaluation_seconds(s: Situation) -> float:
    """Return seconds of all evaluations of the run."""
    if s.word("evaluation_strategy") == "no":
        return 0.0
    return math.ceil(s.whole("max_steps") / s.whole("eval_steps")) * look_seconds(s)


def disk_bytes(s: Situation) -> int:
    """Return the disk a run takes: the fetched model, its converted copy, checkpoints, the merged result."""
    one = s.model.parameters * stored_bytes(s.model)
    if s.wishes.stage in WITHOUT_TRAINING:
        return 2 * one + 50 * MIB
    kept = s.whole("save_total_limit") + 1
    return int(3 * one + kept * checkpoint_bytes(s) + s.data.lengths.total * 8 + 50 * MIB)


def fits_host(s: Situation, needed: int) -> bool:
    """Return whether a node's host memory suffices; one that nobody named is assumed to."""
    return bool(s.hardware.memory_assumed) or needed <= max(GIB, s.hardware.memory_bytes)
