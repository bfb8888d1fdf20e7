"""How processes share the work. The choice itself is made once, by `planner.search`; these rules explain
it."""

from __future__ import annotations

from planner.language import say
from planner.phrases import plural, size
from planner.rules.long_sequences import RULES as LONG_SEQUENCES
from planner.rules.overlap import SWITCHES
from planner.rules.rivals import fastest, other_degrees, shown
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.rules.sharding import RULES as SHARDING
from planner.search import HEADROOM, Outcome, outcome
from planner.situation import Situation


def cpu_only_data_parallel() -> str:
    """Return why processors cannot split a model."""
    return say("Paddle refuses it on processors; it only supports accelerators there.")


@rule(
    "parallel.processes",
    "num_processes",
    f"{MEASURED_CPU}: two processes 165 tokens/s, one with two threads 105-110",
)
def processes(s: Situation) -> Choice:
    """One per device, or one per core as far as memory and rows allow."""
    found = outcome(s)
    number = int(found.setup.processes)
    if s.on_gpu and number == s.workers == 1:
        return Choice(1, say("There is one device."))
    if s.on_gpu:
        return Choice(
            number,
            say("One process for each of the {devices}.", devices=plural(s.workers, "device")),
            (not_(1, say("Would leave devices idle.")),) if number > 1 else (),
        )
    return processor_count(s, found, number)


def processor_count(s: Situation, found: Outcome, number: int) -> Choice:
    """Explain the number of processes on processors."""
    cores = s.workers
    if number == cores == 1:
        return Choice(1, say("There is one core."))
    if number == cores:
        why = say("One process per core: two were measured 1.5 times as fast as one with two threads.")
        alone = say("One process with {cores} threads was measured at 64% of the speed of two.", cores=cores)
        return Choice(number, why, (not_(1, alone),))
    crowded = any(int(one.setup.processes) > number and not one.fits for one in found.rejected)
    if crowded:
        because = say(
            "{number} of {peak} fit into {memory}; more do not.",
            number=plural(number, "process", "processes"),
            peak=size(found.peak),
            memory=size(s.hardware.memory_bytes),
        )
        return Choice(number, because, (not_(cores, say("Too much memory.")),))
    because = say(
        "{rows} keep {number} of {cores} cores' processes busy; the rest go to threads.",
        rows=plural(s.data.train_rows, "row"),
        number=number,
        cores=cores,
    )
    return Choice(number, because, (not_(cores, say("Too few rows per process.")),))


@rule(
    "parallel.tensor",
    "tensor_parallel_degree",
    "arXiv:1909.08053; arXiv:2104.04473, section 3; PaddleNLP 3.0.0b4 llama/modeling.py:724",
)
def tensor(s: Situation) -> Choice:
    """Split the weight matrices inside a node, as far as memory or speed asks for it."""
    if not s.on_gpu:
        return Choice(1, say("Splitting matrices needs accelerators."), (not_(2, cpu_only_data_parallel()),))
    found = outcome(s)
    degree, used, limit = int(found.setup.tensor), size(found.peak), size(found.limit)
    if found.setup.processes == 1:
        return Choice(1, say("There is one device."))
    if degree == 1:
        others = shown(found, "tensor") or tuple(
            not_(one.value, one.because) for one in found.dropped[:1] if one.value != 1
        )
        because = say("Each device holds whole matrices: {peak} of {limit}.", peak=used, limit=limit)
        return Choice(1, because, others)
    fewer = [one for one in other_degrees(found, "tensor") if int(one.setup.tensor) < degree]
    short = [one for one in fewer if not one.fits]
    if fewer and len(short) == len(fewer):
        because = say(
            "With fewer splits it needs at least {needed} per device, and {usable} may be used; {degree} "
            "devices of one node share each matrix.",
            needed=size(min(one.peak for one in short)),
            usable=size(HEADROOM * found.limit),
            degree=degree,
        )
    else:
        because = say(
            "{degree} devices of one node share each matrix, which leaves {peak} of {limit} per device. "
            "{others}",
            degree=degree,
            peak=used,
            limit=limit,
            others=fastest(found, fewer, s.wishes.goal),
        )
    return Choice(degree, because, shown(found, "tensor"))


@rule("parallel.sequence", "sequence_parallel", "arXiv:2205.05198; PaddleNLP PR#8973")
def sequence_parallel(s: Situation) -> Choice:
    """Wherever matrices are split, the engine can, and the length divides."""
    degree, length = s.whole("tensor_parallel_degree"), s.whole("max_length")
    if degree == 1:
        return Choice(False, say("Matrices are not split, so there is nobody to split tokens with."))
    if outcome(s).setup.sequence_parallel:
        return Choice(
            True,
            say(
                "Norms and dropout are split by tokens among the same {degree} processes: less memory for "
                "the same traffic.",
                degree=degree,
            ),
            (
                not_(
                    False, say("Every process would keep all {length:,} tokens of each norm.", length=length)
                ),
            ),
        )
    if length % degree:
        why = say("{degree} does not divide max_length {length:,}.", degree=degree, length=length)
    elif s.word("method") == "qlora":
        why = say("The engine leaves sequence-parallel layers in 16 bits, and they should take few.")
    else:
        why = say(
            "{engine} does not have it for {model} models.",
            engine=s.word("engine"),
            model=s.model.model_type,
        )
    return Choice(False, why)


@rule(
    "parallel.pipeline",
    "pipeline_parallel_degree",
    "arXiv:2104.04473, section 2.2; PaddlePaddle/PaddleNLP#8579, #6863",
)
def pipeline(s: Situation) -> Choice:
    """Split the layers only where that is clearly faster, or nothing else fits."""
    if not s.on_gpu:
        return Choice(1, say("Splitting layers needs accelerators."), (not_(2, cpu_only_data_parallel()),))
    found = outcome(s)
    degree = int(found.setup.pipeline)
    if found.setup.processes == 1:
        return Choice(1, say("There is one device."))
    if degree == 1:
        because = say(
            "{devices} need no pipeline: its ends wait in every step, and it has failed on several models in "
            "this version.",
            devices=plural(int(found.setup.processes), "device"),
        )
        return Choice(1, because, shown(found, "pipeline"))
    because = say(
        "{degree} stages of about {layers} layers each leave {peak} of {limit} per device.",
        degree=degree,
        layers=-(-s.model.num_hidden_layers // degree),
        peak=size(found.peak),
        limit=size(found.limit),
    )
    return Choice(degree, because, shown(found, "pipeline"))


@rule("parallel.virtual", "virtual_pp_degree", "interleaved schedule: arXiv:2104.04473, section 2.2")
def virtual(s: Situation) -> Choice:
    """Several chunks of layers on each stage where they shorten the wait at the ends."""
    if s.whole("pipeline_parallel_degree") == 1:
        return Choice(1, say("Layers are not split."))
    chunks = int(outcome(s).setup.virtual)
    if chunks == 1:
        return Choice(1, say("One chunk of layers on each stage: more would send more than they save."))
    return Choice(
        chunks,
        say("{chunks} chunks of layers on each stage make the wait at the ends shorter.", chunks=chunks),
        (not_(1, say("The ends of the pipeline would wait about {chunks} times as long.", chunks=chunks)),),
    )


SPLITS = (processes, tensor, sequence_parallel, pipeline, virtual)

RULES = (*SPLITS, *LONG_SEQUENCES, *SHARDING, *SWITCHES)
"""In this order: plain replicas are what all the others leave."""
