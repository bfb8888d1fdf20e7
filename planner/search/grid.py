"""The grid: every combination of the axes that can work, as one `Setup` of NumPy arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.search.axes import ALL, NODE, Axes
from planner.search.epoch import ROUNDING
from planner.setup import Setup
from planner.situation import Situation
from planner.workload import power_of_two_below

Ints = NDArray[np.int64]

LEAST_PIECE = 5e8
"""Weights that a process should hold at least for a split to pay: smaller pieces start kernels most of the
time, and messages cost more than they save. A judgement; the search drops it where nothing else fits."""

FULL_PIPELINE = 2
"""Micro-batches for each stage of a pipeline, if the data have room for them: with twice as many as stages a
third of the time is lost at its ends, with fewer more (arXiv:2104.04473, section 2.2.1)."""

OFFLOADED_ROUNDS = 16
"""The same where optimizer states travel to the device and back in every step, which takes seconds: so many
micro-batches share one journey (llm/config/deepseek-v3/sft_argument.json: 16 with
tensorwise_offload_optimizer)."""

MOST_TOKENS = {"cpu": 256, "gpu": 16384}
"""Tokens of one forward pass beyond which a device gains no speed."""


def layouts(s: Situation, axes: Axes, master_grad: bool) -> dict[str, Ints]:
    """Return the splits that go together, one array for each field of `Setup`.

    What the trainer requires (trainer/training_args.py:1148-1248, trainer/trainer.py:2197-2232): processes
    are a multiple of all splits; sharding divides the replicas; stages 2 and 3 without pipeline, stage 3
    without tensor parallelism, and with float32 gradients over all replicas; experts are spread over sharding
    alone, and PaddleFormers shards in whole groups of those that hold the same experts (trainer/
    training_args.py:2837). A stage that somebody fixed stands idle on one process, as both engines let it.
    """
    index = np.arange(len(axes.sharding))
    mesh = np.meshgrid(
        axes.tensor, axes.pipeline, axes.virtual, axes.context, axes.expert, index, indexing="ij"
    )
    tensor, pipeline, virtual, context, expert, choice = (array.ravel() for array in mesh)
    split = tensor * pipeline * context
    keep = (axes.world % split == 0) & (split <= axes.world)
    tensor, pipeline, virtual, context, expert, choice, split = (
        array[keep] for array in (tensor, pipeline, virtual, context, expert, choice, split)
    )
    replicas = axes.world // split
    stage = np.array([number for number, _ in axes.sharding], dtype=np.int64)[choice]
    asked = np.array([degree for _, degree in axes.sharding], dtype=np.int64)[choice]
    on_node = np.gcd(np.maximum(1, axes.per_node // (tensor * context)), replicas)
    degree = np.where(asked == ALL, replicas, np.where(asked == NODE, on_node, asked))
    layers = s.model.num_hidden_layers
    idle = axes.world == 1 and s.pin("sharding") is not None
    keep = (replicas % degree == 0) & np.where(stage == 0, degree == 1, (degree > 1) | (asked == 1) | idle)
    keep &= (asked != NODE) | ((on_node > 1) & (on_node < replicas))
    keep &= (pipeline == 1) | (stage <= 1)
    keep &= (stage < 3) | (tensor == 1)
    if master_grad:
        keep &= (stage < 2) | (degree == replicas)
    keep &= (virtual == 1) | ((pipeline > 2) & (layers % (pipeline * virtual) == 0))
    keep &= (expert == 1) | ((stage > 0) & (stage < 3) & (degree == replicas) & (degree % expert == 0))
    if s.word("engine") == "paddleformers":
        groups = np.maximum(1, axes.world // (pipeline * expert))
        keep &= (expert == 1) | (degree % groups == 0)
    data = s.pinned_whole("data_parallel_degree")
    if data is not None:
        keep &= replicas // np.maximum(1, degree) == data
    found = {
        "tensor": tensor,
        "pipeline": pipeline,
        "virtual": virtual,
        "context": context,
        "expert": expert,
        "sharding": stage,
        "sharding_degree": degree,
    }
    return {name: array[keep] for name, array in found.items()}


def large_pieces(s: Situation, splits: dict[str, Ints]) -> dict[str, Ints]:
    """Return the splits into pieces that are worth it; what a person fixed stays."""
    pinned = [s.pin(f"{name}_parallel_degree") is not None for name in ("tensor", "pipeline")]
    pieces = splits["tensor"] * splits["pipeline"]
    keep = (pieces == 1) | (s.model.parameters / pieces >= LEAST_PIECE)
    if any(pinned) or not keep.any():
        return splits
    return {name: array[keep] for name, array in splits.items()}


def accelerator_grid(
    s: Situation, base: Setup, axes: Axes, wanted: float, room: float, *, small_pieces: bool = False
) -> Setup | None:
    """Return every way on accelerators; None when there is none.

    `wanted` sequences make a step, or up to `room` to fill a pipeline or to pay for an offload.
    `small_pieces` also splits models that are too small for it.
    """
    splits = layouts(s, axes, base.master_grad)
    if not len(splits["tensor"]):
        return None
    if not small_pieces:
        splits = large_pieces(s, splits)
    replicas = axes.world // (splits["tensor"] * splits["pipeline"] * splits["context"])
    micro = micro_batches(s, base, wanted / int(replicas.min()))
    flat = crossed(
        {**splits, "replicas": replicas},
        {"recompute": np.array(axes.recompute), "offload": np.array(axes.offload), "micro_batch": micro},
    )
    replicas = flat.pop("replicas")
    per_pass = flat["micro_batch"] * replicas
    rounds = accumulations(s, wanted, per_pass)
    if s.pin("gradient_accumulation_steps") is None:
        full = np.where(flat["pipeline"] > 1, FULL_PIPELINE * flat["pipeline"], 1)
        full = np.maximum(full, np.where(flat["offload"], OFFLOADED_ROUNDS, 1))
        rounds = np.maximum(rounds, np.minimum(full, (room / per_pass).astype(np.int64)))
        # Chunks of layers take turns, so their micro-batches come in whole rounds (Paddle 3.3.1
        # pipeline_parallel.py:3484).
        whole = np.maximum(1, rounds // flat["pipeline"]) * flat["pipeline"]
        rounds = np.where(flat["virtual"] > 1, whole, rounds)
    keep = (flat["virtual"] == 1) | (rounds % flat["pipeline"] == 0)
    if s.pin("per_device_train_batch_size") is None:
        keep &= flat["micro_batch"] <= np.maximum(1, wanted / replicas)
        # What is only added for that is dealt out in single sequences, or the step would grow twice.
        keep &= (flat["micro_batch"] == 1) | (rounds * per_pass <= ROUNDING * wanted)
    if not keep.any():
        return None
    together = splittable(base, flat["tensor"]) & axes.sequence_parallel
    kept: dict[str, Any] = {name: array[keep] for name, array in flat.items()}
    return replace(
        base, processes=axes.world, accumulation=rounds[keep], sequence_parallel=together[keep], **kept
    )


def crossed(rows: dict[str, Ints], axes: dict[str, Ints]) -> dict[str, Ints]:
    """Return every row with every combination of the axes, as flat arrays by name."""
    number = len(next(iter(rows.values())))
    shape = (number, *(len(values) for values in axes.values()))
    flat = {}
    for place, (name, values) in enumerate([("", np.arange(number)), *axes.items()]):
        along = values.reshape([-1 if place == axis else 1 for axis in range(len(shape))])
        flat[name] = np.broadcast_to(along, shape).ravel()
    index = flat.pop("")
    return {name: array[index] for name, array in rows.items()} | flat


def splittable(base: Setup, tensor: Ints) -> NDArray[np.bool_]:
    """Return where the tokens of a sequence can be split among those who split the matrices."""
    found: NDArray[np.bool_] = (tensor > 1) & (base.sequence_length % tensor == 0)
    return found


def micro_batches(s: Situation, base: Setup, most: float) -> Ints:
    """Return powers of two up to what a device can use and a step wants; or the fixed one."""
    pinned = s.pinned_whole("per_device_train_batch_size")
    if pinned is not None:
        return np.array([pinned])
    useful = max(1, MOST_TOKENS[s.device] // base.sequence_length)
    top = power_of_two_below(min(useful, max(1.0, most)))
    return np.array([1 << power for power in range(top.bit_length())])


def accumulations(s: Situation, wanted: float, per_pass: Ints) -> Ints:
    """Return how often to add up gradients until a step has seen the sequences it should."""
    pinned = s.pinned_whole("gradient_accumulation_steps")
    if pinned is not None:
        return np.full_like(per_pass, pinned)
    return tidy(np.maximum(1, np.round(wanted / per_pass)).astype(np.int64))


def tidy(rounds: Ints) -> Ints:
    """Return numbers as people write them: four binary digits, then zeros (144 for 143)."""
    unit = 2 ** np.maximum(0, np.floor(np.log2(rounds)).astype(np.int64) - 3)
    found: Ints = (np.round(rounds / unit) * unit).astype(np.int64)
    return found


def processor_grid(s: Situation, base: Setup, recompute: tuple[int, ...], wanted: float) -> Setup | None:
    """Return every way on processors: as many processes as cores, or half as many, and so on; cores left
    over become threads."""
    pinned, threads = s.pinned_whole("num_processes"), s.pinned_whole("omp_num_threads")
    counts = np.array([pinned] if pinned else halves(useful_processes(s)))
    micro = micro_batches(s, base, wanted / int(counts.min()))
    mesh = np.meshgrid(counts, np.array(recompute), micro, indexing="ij")
    number, mode, batch = (array.ravel() for array in mesh)
    fixed = s.pin("per_device_train_batch_size") is not None
    keep = (batch <= np.maximum(1, wanted / number)) | fixed
    number, mode, batch = number[keep], mode[keep], batch[keep]
    if not len(number):
        return None
    shared = 1 if s.pin("sharding") == "stage1" else 0
    return replace(
        base,
        processes=number,
        threads=np.full_like(number, threads) if threads else np.maximum(1, s.workers // number),
        recompute=mode,
        sharding=shared,
        sharding_degree=number if shared else 1,
        micro_batch=batch,
        accumulation=accumulations(s, wanted, batch * number),
    )


def halves(number: int) -> list[int]:
    """Return `number`, its half, and so on down to 1."""
    return [number] if number == 1 else [number, *halves(number // 2)]


def useful_processes(s: Situation) -> int:
    """Return one process per core, as far as the rows of a step can be dealt out to them."""
    rows_per_sequence = 1.0
    if s.known("zero_padding", True):
        rows_per_sequence = max(1.0, s.whole("max_length") / s.data.lengths.mean)
    per_step = max(1.0, s.data.train_rows / rows_per_sequence / 4)
    return max(1, min(s.workers, int(per_step)))
