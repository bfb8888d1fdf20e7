"""The values that each way of sharing may take, and why others were left out.

Degrees are narrowed one by one here, where a sentence can say why; `planner.search.grid` combines them and
drops what does not go together. A pin narrows its axis to one value, whatever else would be sensible: what
the engine refuses about it is judged by the constraints, by name.
"""

from __future__ import annotations

from dataclasses import dataclass

from planner.facts import ModelFacts
from planner.families import Family
from planner.language import say
from planner.methods import LOW_BIT, Method, blocked, methods, variants
from planner.pace import GRANULARITY, STAGES
from planner.search.kinds import FULL_ONLY, Kind
from planner.setup import FULL_RECOMPUTE, NO_RECOMPUTE
from planner.situation import Situation
from planner.unused import WITHOUT_TRAINING
from planner.wishes import Value

MOST_PIPELINE = 64
MOST_CHUNKS = 8
LONG_SEQUENCE = 16_384
"""Tokens from which splitting one sequence over processes is worth considering."""

NO_PIPELINE_STAGES = ("kto", "reward", "embedding", "quantise", "export")
"""Stages whose scripts refuse a pipeline, or whose loss no pipeline class computes 
(alignment/rm/run_reward.py:158, run_embedding.py:59; no Pipe class reads kto_config)."""

ALL, NODE = -1, -2
"""Sharding degrees that follow from the other splits: every replica; the replicas of one node."""


@dataclass(frozen=True)
class Dropped:
    """One value of a setting that was not considered, and why."""

    setting: str
    value: Value
    because: str


@dataclass(frozen=True)
class Axes:
    """What is combined: every field holds the values of one split."""

    world: int
    """Processes over all nodes."""
    per_node: int
    tensor: tuple[int, ...]
    sequence_parallel: bool
    """Whether tokens are split too wherever matrices are."""
    pipeline: tuple[int, ...]
    virtual: tuple[int, ...]
    context: tuple[int, ...]
    expert: tuple[int, ...]
    sharding: tuple[tuple[int, int], ...]
    """(ZeRO stage, degree); the degree may be ALL or NODE."""
    recompute: tuple[int, ...]
    offload: tuple[bool, ...]


def pipeline_allowed(s: Situation, kind: Kind, found: Family) -> bool:
    """Return whether the engine splits this model's layers with this method in this stage."""
    row, stage = methods()[kind.method], s.wishes.stage
    if not row.pipeline or stage in NO_PIPELINE_STAGES or not variant(s, kind).pipeline:
        return False
    if row.needs_in_pipeline and not getattr(found, row.needs_in_pipeline, False):
        return False
    if stage in ("dpo", "orpo", "simpo"):
        return found.preference_pipeline
    return found.pipeline


def tensor_allowed(s: Situation, kind: Kind, found: Family) -> bool:
    """Return whether the engine splits this model's matrices with this method."""
    return (
        found.tensor_parallel
        and methods()[kind.method].tensor
        and variant(s, kind).tensor
        and kind.weight_format not in LOW_BIT
    )


def variant(s: Situation, kind: Kind) -> Method:
    """Return the row of the LoRA variant, which restricts adapters only."""
    name = str(s.known("lora_variant", "plain")) if kind.method in ("lora", "qlora") else "plain"
    return variants()[name]


def tensor_degrees(s: Situation, kind: Kind, found: Family, per_node: int) -> tuple[list[int], list[Dropped]]:
    """Return the degrees that stay inside a node and divide what is split."""
    degrees, dropped = [1], []
    if not tensor_allowed(s, kind, found):
        return degrees, [
            Dropped(
                "tensor_parallel_degree",
                2,
                say(
                    "The engine cannot split {model} with {method}.",
                    model=s.model.model_type,
                    method=kind.method,
                ),
            )
        ]
    for degree in divisors(per_node)[1:]:
        fault = indivisible(s.model, found, degree)
        if fault:
            dropped.append(Dropped("tensor_parallel_degree", degree, fault))
        else:
            degrees.append(degree)
    return degrees, dropped


def indivisible(model: ModelFacts, found: Family, degree: int) -> str:
    """Return the sentence about the first width that `degree` does not divide; empty if it divides all."""
    widths = {
        say("attention heads"): model.num_attention_heads,
        say("rows of the vocabulary"): model.vocab_size,
        say("MLP columns"): model.intermediate_size,
    }
    if found.kv_heads_must_divide:
        widths[say("key/value heads")] = model.num_key_value_heads
    if model.experts is not None:
        widths[say("columns of one expert")] = model.experts.intermediate_size
    for noun, width in widths.items():
        if width % degree:
            return say(
                "{degree} does not divide the {width:,} {noun}.", degree=degree, width=width, noun=noun
            )
    return ""


def pipeline_degrees(s: Situation, kind: Kind, found: Family, world: int) -> tuple[int, ...]:
    """Return the numbers of stages with at least two layers each."""
    if not pipeline_allowed(s, kind, found):
        return (1,)
    most = min(MOST_PIPELINE, s.model.num_hidden_layers // 2)
    return tuple(degree for degree in divisors(world) if degree <= max(1, most))


def axes_for(s: Situation, kind: Kind, found: Family) -> tuple[Axes, tuple[Dropped, ...]]:
    """Return the values to combine on accelerators, and what was left out."""
    world = s.pinned_whole("num_processes") or useful_devices(s)
    per_node = max(1, world // s.hardware.nodes)
    tensor, dropped = tensor_degrees(s, kind, found, per_node)
    fixed_virtual = one(s, "virtual_pp_degree")
    chunks = tuple(range(1, MOST_CHUNKS + 1)) if found.virtual_pipeline else (1,)
    axes = Axes(
        world=world,
        per_node=per_node,
        tensor=one(s, "tensor_parallel_degree") or tuple(tensor),
        sequence_parallel=sequence_parallel(s, kind, found),
        pipeline=one(s, "pipeline_parallel_degree") or pipeline_degrees(s, kind, found, world),
        virtual=fixed_virtual or chunks,
        context=context_degrees(s, found, per_node),
        expert=expert_degrees(s, kind, found, world),
        sharding=sharding_choices(s),
        recompute=recompute_choices(s, found),
        offload=offload_choices(s, kind),
    )
    return axes, tuple(dropped)


def useful_devices(s: Situation) -> int:
    """Return how many devices there is work for: all of them, but to quantise or export only as many as hold
    the weights in 16 bits, two thirds full."""
    if s.wishes.stage not in WITHOUT_TRAINING:
        return s.workers
    limit = min(device.free_bytes or device.memory_bytes for device in s.hardware.devices)
    number = 1
    while number * 2 <= s.workers // s.hardware.nodes and 2 * s.model.parameters > number * limit * 2 / 3:
        number *= 2
    return number * s.hardware.nodes


def sequence_parallel(s: Situation, kind: Kind, found: Family) -> bool:
    """Return whether norms are split by tokens: wherever it exists, since it saves memory and costs nothing.

    Not beside quantised weights: the engine leaves sequence-parallel layers in 16 bits.
    """
    pinned = s.pin("sequence_parallel")
    if pinned is not None:
        return bool(pinned)
    return found.sequence_parallel and kind.weight_format == "none"


def offload_choices(s: Situation, kind: Kind) -> tuple[bool, ...]:
    """Return whether optimizer states may live in host memory.

    An adapter's states are too small to matter; and where adapters are an option, they are the better answer
    to full training that does not fit on the devices.
    """
    pinned = s.pin("offload_optim")
    if pinned is not None:
        return (bool(pinned),)
    needed = s.pin("method") == "full" or s.wishes.stage in FULL_ONLY or bool(blocked(s, "lora"))
    able = kind.method == "full" and s.word("engine") == "paddlenlp"
    return (False, True) if able and needed else (False,)


def sharding_choices(s: Situation) -> tuple[tuple[int, int], ...]:
    """Return (stage, degree) pairs: nothing, or over all replicas, or stage 1 over those of one node.

    Stage 3 only where it is fixed: saving and reloading under it is unreliable (PaddleNLP#4809, #6860;
    upstream's docs call it temporarily unavailable).
    """
    stage, degree = s.pin("sharding"), s.pinned_whole("sharding_parallel_degree")
    free_stages = (0, 1) if s.pin("enable_auto_parallel") else (0, 1, 2)
    stages = (STAGES.index(str(stage)),) if stage is not None else free_stages
    if degree is not None:
        fixed = stages if stage is not None or degree == 1 else (1, 2)
        return tuple((number, degree) for number in fixed)
    free: list[tuple[int, int]] = []
    for number in stages:
        free.append((number, ALL if number else 1))
        if number == 1:
            free.append((1, NODE))
    return tuple(free)


def recompute_choices(s: Situation, found: Family | None) -> tuple[int, ...]:
    """Return what may be recomputed, as values of `Setup.recompute`."""
    pinned, granularity = s.pin("recompute"), s.pin("recompute_granularity")
    modes = tuple(GRANULARITY[word] for word in found.recompute if word in GRANULARITY) if found else ()
    if not s.on_gpu:
        modes = (FULL_RECOMPUTE,)
    if granularity is not None:
        # Who says what to recompute wants something recomputed.
        modes, pinned = (GRANULARITY[str(granularity)],), True if pinned is None else pinned
    if pinned is not None:
        return (modes or (FULL_RECOMPUTE,)) if pinned else (NO_RECOMPUTE,)
    return (NO_RECOMPUTE, *sorted(modes))


def context_degrees(s: Situation, found: Family, per_node: int) -> tuple[int, ...]:
    """Return the numbers of processes that may split one sequence: only long ones, in pretraining."""
    ring, heads = s.pinned_whole("context_parallel_degree"), s.pinned_whole("sep_parallel_degree")
    if ring is not None or heads is not None:
        return ((ring or 1) * (heads or 1),)
    length = s.whole("max_length")
    able = (found.context_parallel or found.sep_parallel) and s.wishes.stage == "pretrain"
    if not able or length < LONG_SEQUENCE:
        return (1,)
    return tuple(
        d for d in divisors(per_node) if length % (2 * d) == 0 and s.model.num_attention_heads % d == 0
    )


def expert_degrees(s: Situation, kind: Kind, found: Family, world: int) -> tuple[int, ...]:
    """Return the numbers of processes that may share the experts."""
    pinned = s.pinned_whole("expert_parallel_degree")
    if pinned is not None:
        return (pinned,)
    if s.model.experts is None or not found.expert_parallel or kind.method != "full":
        return (1,)
    count = s.model.experts.count
    return tuple(d for d in divisors(world) if count % d == 0 and (d & (d - 1)) == 0)


def divisors(number: int) -> list[int]:
    """Return every divisor, ascending."""
    return [value for value in range(1, number + 1) if number % value == 0]


def one(s: Situation, setting: str) -> tuple[int, ...] | None:
    """Return the pinned whole number as an axis, if any."""
    value = s.pinned_whole(setting)
    return None if value is None else (value,)
