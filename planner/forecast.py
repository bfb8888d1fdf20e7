"""The forecast of a plan: memory by part, speed, time by stage, disk."""

from __future__ import annotations

import math

from planner import memory, pace
from planner.budget import look_seconds, start_seconds
from planner.layout import memory_limit
from planner.phrases import GIB, MIB, duration
from planner.plan import Forecast
from planner.rules.checkpoints import checkpoint_bytes
from planner.situation import Situation
from planner.workload import kept_tokens

STAGE_SECONDS = {
    "acquire": 8.0,
    "convert": 8.0,
    "prepare": 2.0,
    "preflight": 15.0,
    "merge": 15.0,
    "generate": 18.0,
    "report": 2.0,
}
"""Fixed seconds of each stage: starting Python, importing the engine, proving. Measured with a tiny model on
two AMD EPYC cores; what grows with the model is added below."""

BYTES_PER_SECOND = 20 * MIB
"""Download speed that is assumed; the real one shows in the acquire stage."""

CONVERT_BYTES_PER_SECOND = 100 * MIB
"""Reading, transposing and writing weights, with hashes."""

GENERATE_TOKENS_PER_SECOND = 12.7
"""Greedy answers with a key/value cache at 135M on one core; falls with the model's size."""

PROMPTS = 8


def make_forecast(s: Situation) -> Forecast:
    """Return the forecast of a complete set of decisions."""
    setup = pace.setup_from(s.get)
    parts = memory.peak(s.model, setup, s.device)
    peak = memory.total(parts)
    per_node = max(1, setup.processes // s.hardware.nodes)
    steps, seconds_per_step = s.whole("max_steps"), pace.step_seconds(s)
    train = steps * seconds_per_step + evaluation_seconds(s) + start_seconds(s)
    stages = stage_seconds(s) | {"train": round(train, 1)}
    real = kept_tokens(s.data, s.whole("max_length")) / max(1e-9, pace.epoch_seconds(s))
    return Forecast(
        memory_parts=parts,
        peak_memory_bytes=peak,
        memory_limit_bytes=memory_limit(s, setup),
        host_memory_bytes=peak * per_node if not s.on_gpu else host_bytes(s, per_node),
        disk_bytes=disk_bytes(s),
        tokens_per_second=round(real, 1),
        step_seconds=round(seconds_per_step, 3),
        train_seconds=round(train, 1),
        total_seconds=round(sum(stages.values()), 1),
        stage_seconds=stages,
        assumptions=assumptions(s),
    )


def evaluation_seconds(s: Situation) -> float:
    """Return seconds of all evaluations of the run."""
    if s.word("evaluation_strategy") == "no":
        return 0.0
    return math.ceil(s.whole("max_steps") / s.whole("eval_steps")) * look_seconds(s)


def stage_seconds(s: Situation) -> dict[str, float]:
    """Return seconds per stage, except train."""
    stored = s.model.parameters * 2
    work = s.model.parameters * 4 / CONVERT_BYTES_PER_SECOND
    pace_of_model = GENERATE_TOKENS_PER_SECOND * 135e6 / s.model.parameters * (20 if s.on_gpu else 1)
    answers = 2 * PROMPTS * 0.5 * s.whole("max_new_tokens") / max(0.1, pace_of_model)
    grows = {
        "acquire": 0.0 if s.model.source.kind == "local" else stored / BYTES_PER_SECOND,
        "convert": 2 * work,
        "prepare": s.data.lengths.total / 400_000,
        "preflight": work + 3 * pace.step_seconds(s),
        "merge": 3 * work,
        "generate": answers,
    }
    return {stage: round(base + grows.get(stage, 0.0), 1) for stage, base in STAGE_SECONDS.items()}


def disk_bytes(s: Situation) -> int:
    """Return the disk a run takes: the fetched model, its converted float32 copy, checkpoints, the merged
    result."""
    kept = s.whole("save_total_limit") + 1
    copies = s.model.parameters * (4 + 4 + 4)
    return int(copies + kept * checkpoint_bytes(s) + s.data.lengths.total * 8 + 50 * MIB)


def host_bytes(s: Situation, per_node: int) -> int:
    """Return host RAM of a node that trains on GPUs: each process loads the weights once before it moves
    them."""
    return int(per_node * (2 * GIB + s.model.parameters * 2))


def assumptions(s: Situation) -> tuple[str, ...]:
    """Return what the forecast takes for granted, in sentences."""
    lines = []
    if s.on_gpu:
        lines.append(
            "Speed on GPUs comes from published peaks and utilisation, not from a measurement on this "
            "machine."
        )
    else:
        lines.append(
            "Speed on the CPU is scaled from a measurement: 233 tokens/s at 135M weights on two AMD EPYC "
            "cores."
        )
    if not s.data.lengths.counted:
        lines.append("Token lengths are estimated from characters.")
    if s.model.source.kind != "local":
        lines.append(
            f"Downloads run at {BYTES_PER_SECOND // MIB} MiB/s; what is cached already takes no time."
        )
    if s.hardware.origin == "typed":
        lines.append(
            "The hardware was described, not probed: disk, host memory and driver are assumed to suffice."
        )
    lines.append(
        f"Starting processes and loading the model takes {duration(start_seconds(s))} of the training time."
    )
    return tuple(lines)
