"""Which way of sharing the work fits: candidates in order of preference, the first that fits is taken.

The order is the judgement: without recompute before with it, sharding before tensor parallelism, few splits
before many. A search that ranks all candidates by predicted speed can replace `candidates` without touching
the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from planner import memory, speed
from planner.errors import NothingFeasible
from planner.families import SFT_FAMILIES
from planner.phrases import parameters, size
from planner.setup import Setup
from planner.situation import Situation

HEADROOM = 0.90
"""Share of the memory that a plan may use; the rest is for what no formula sees."""

PINNED = {
    "method": "method",
    "processes": "num_processes",
    "tensor": "tensor_parallel_degree",
    "pipeline": "pipeline_parallel_degree",
    "sharding": "sharding",
    "sharding_degree": "sharding_parallel_degree",
    "recompute": "recompute",
    "micro_batch": "per_device_train_batch_size",
}
"""Field of `Setup` -> setting, for the fields over which candidates differ."""

FULL_ROWS = 1000
"""Rows from which training every weight pays; with fewer, LoRA reaches the same answers and forgets less
(arXiv:2405.09673)."""


@dataclass(frozen=True)
class Layout:
    """The chosen way, its forecast peak and limit per process, and the candidates that came before and do not
    fit."""

    setup: Setup
    peak: int
    limit: int
    rejected: tuple[tuple[Setup, int], ...]


def layout(s: Situation) -> Layout:
    """Return the first candidate that fits; `NothingFeasible` with the closest one and the smallest fix
    otherwise."""
    rejected: list[tuple[Setup, int]] = []
    for candidate in candidates(s):
        if not agrees_with_pins(s, candidate):
            continue
        peak = memory.total(memory.peak(s.model, candidate, s.device))
        limit = memory_limit(s, candidate)
        if peak <= HEADROOM * limit:
            return Layout(candidate, peak, limit, tuple(rejected))
        rejected.append((candidate, peak))
    raise nothing_fits(s, rejected)


def setup_for(s: Situation, **changes: object) -> Setup:
    """Return the set-up of one process on its own, with what has been decided so far and `changes` on top."""
    base = Setup(
        lora_rank=s.whole("lora_rank"),
        lora_target_modules=s.word("lora_target_modules"),
        precision=s.word("precision"),
        opt_level=s.word("fp16_opt_level"),
        master_grad=s.flag("amp_master_grad"),
        flash=s.flag("use_flash_attention"),
        sequence_length=s.whole("max_length"),
        micro_batch=s.pinned_whole("per_device_train_batch_size") or 1,
    )
    known = {entry.name for entry in fields(Setup)}
    assert set(changes) <= known
    return replace(base, **changes)  # type: ignore[arg-type]


def memory_limit(s: Situation, setup: Setup) -> int:
    """Return what one process may use: its device's memory, or its share of the host's."""
    if s.on_gpu:
        return min(device.free_bytes or device.memory_bytes for device in s.hardware.devices)
    return s.hardware.memory_bytes * s.hardware.nodes // max(1, setup.processes)


def methods(s: Situation) -> tuple[str, ...]:
    """Return methods in order of preference: full first only where quality is wanted, data suffices and a GPU
    is there."""
    pinned = s.pin("method")
    if pinned is not None:
        return (str(pinned),)
    if s.on_gpu and s.wishes.goal == "quality" and s.data.train_rows >= FULL_ROWS:
        return ("full", "lora")
    return ("lora",)


def candidates(s: Situation) -> Iterator[Setup]:
    """Yield set-ups in order of preference."""
    for method in methods(s):
        yield from gpu_candidates(s, method) if s.on_gpu else cpu_candidates(s, method)


def cpu_candidates(s: Situation, method: str) -> list[Setup]:
    """Return process counts with and without recompute, the fastest first; cores left over become threads."""
    pinned = s.pinned_whole("num_processes")
    counts = [pinned] if pinned else halves(useful_processes(s))
    stage1 = s.pin("sharding") == "stage1"
    found = [
        setup_for(
            s,
            method=method,
            processes=number,
            threads=s.pinned_whole("omp_num_threads") or max(1, s.workers // number),
            recompute=recompute,
            sharding="stage1" if stage1 else "none",
            sharding_degree=number if stage1 else 1,
        )
        for number in counts
        for recompute in (False, True)
    ]
    return sorted(found, key=lambda setup: -speed.cpu_tokens_per_second(s.model, setup, s.hardware.cpu))


def halves(number: int) -> list[int]:
    """Return `number`, its half, and so on down to 1."""
    return [number] if number == 1 else [number, *halves(number // 2)]


def useful_processes(s: Situation) -> int:
    """Return one process per core, as far as the rows of a step can be dealt out to them."""
    rows_per_sequence = 1.0
    if s.flag("zero_padding"):
        rows_per_sequence = max(1.0, s.whole("max_length") / s.data.lengths.mean)
    per_step = max(1.0, s.data.train_rows / rows_per_sequence / 4)
    return max(1, min(s.workers, int(per_step)))


def gpu_candidates(s: Situation, method: str) -> Iterator[Setup]:
    """Escalate from plain data parallelism over optimizer sharding, recompute and tensor parallelism inside a
    node.

    stage3 is not offered: saving and reloading under it is unreliable in this version. With gradients in
    float32, stage2 wants every replica in the sharding group (trainer.py:2229), so the degree is always all
    replicas.
    """
    world = s.pinned_whole("num_processes") or s.workers
    tensors = tensor_degrees(s, world)
    for tensor in tensors:
        replicas = world // tensor
        for recompute in (False, True):
            for stage in sharding_stages(s, method, replicas):
                yield setup_for(
                    s,
                    method=method,
                    processes=world,
                    tensor=tensor,
                    sharding=stage,
                    sharding_degree=1
                    if stage == "none"
                    else s.pinned_whole("sharding_parallel_degree") or replicas,
                    recompute=recompute,
                )


def sharding_stages(s: Situation, method: str, replicas: int) -> tuple[str, ...]:
    """Return what to try to spread over the replicas; LoRA's optimizer states are too small to need it
    first."""
    pinned = s.pin("sharding")
    if pinned is not None:
        return (str(pinned),)
    if replicas == 1:
        return ("none",)
    return ("stage1", "stage2") if method == "full" else ("none", "stage1")


def tensor_degrees(s: Situation, world: int) -> list[int]:
    """Return the degrees that divide the heads and stay inside one node, smallest first."""
    per_node = max(1, world // s.hardware.nodes)
    family = SFT_FAMILIES[s.model.model_type]
    pinned = s.pinned_whole("tensor_parallel_degree")
    degrees = [pinned] if pinned else [1, 2, 4, 8, 16]
    return [
        degree
        for degree in degrees
        if degree <= per_node
        and world % degree == 0
        and s.model.num_attention_heads % degree == 0
        and (not family.kv_heads_must_divide or s.model.num_key_value_heads % degree == 0)
    ]


def agrees_with_pins(s: Situation, setup: Setup) -> bool:
    """Return whether a candidate keeps every pinned field."""
    return all(s.pin(name) in (None, getattr(setup, field)) for field, name in PINNED.items())


def nothing_fits(s: Situation, rejected: list[tuple[Setup, int]]) -> NothingFeasible:
    """Say what came closest and the smallest change that would help."""
    pins = ", ".join(f"{name}={s.pin(name)}" for name in PINNED.values() if s.pin(name) is not None)
    if not rejected:
        return NothingFeasible(
            f"No way to share the work agrees with the settings you fixed ({pins}).",
            why=f"This hardware offers {s.workers} training process(es).",
            remedy="Release one of them.",
        )
    setup, peak = min(rejected, key=lambda entry: entry[1])
    limit = memory_limit(s, setup)
    where = "device" if s.on_gpu else "process"
    fixes = []
    if setup.method == "full":
        fixes.append("use method lora")
    if setup.micro_batch > 1:
        fixes.append(f"use a smaller per_device_train_batch_size than {setup.micro_batch}")
    if "recompute" in s.wishes.pins and not setup.recompute:
        fixes.append("allow recompute")
    if s.whole("max_length") > 1024:
        fixes.append(f"shorten max_length (now {s.whole('max_length'):,})")
    fixes.append(f"use a {'device' if s.on_gpu else 'machine'} with at least {size(peak / HEADROOM)}")
    return NothingFeasible(
        f"{s.model.name} ({parameters(s.model.parameters)}) does not fit with method {setup.method}: the "
        f"leanest layout needs {size(peak)} per {where}, and {size(HEADROOM * limit)} may be used.",
        why=f"Fixed by you: {pins}." if pins else "",
        remedy=f"To fix it, {', or '.join(fixes)}.",
    )
