"""How processes share the work. The choice itself is made once, by `planner.search`; these rules explain
it."""

from __future__ import annotations

from planner.families import family
from planner.language import say
from planner.pace import STAGES
from planner.phrases import plural, size
from planner.plan import Alternative
from planner.rules.overlap import SWITCHES
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.search import HEADROOM, Candidate, Outcome, differing, outcome, words
from planner.search.axes import LONG_SEQUENCE
from planner.situation import Situation

MOST_SHOWN = 2
"""Rejected degrees of one split that are shown."""


def cpu_only_data_parallel() -> str:
    """Return why processors cannot split a model."""
    return say("Paddle refuses it on processors; it only supports accelerators there.")


def other_degrees(found: Outcome, kind: str) -> list[Candidate]:
    """Return the best way with each other value of a split, the closest value first."""
    here = int(getattr(found.setup, kind))
    rivals = [one for one in found.rejected if one.kind == kind]
    return sorted(rivals, key=lambda one: (abs(int(getattr(one.setup, kind)) - here), one.peak))


def shown(found: Outcome, kind: str) -> tuple[Alternative, ...]:
    """Return the closest other values with the reason why each lost."""
    return tuple(
        not_(int(getattr(one.setup, kind)), one.reason) for one in other_degrees(found, kind)[:MOST_SHOWN]
    )


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
            others=fastest(found, fewer),
        )
    return Choice(degree, because, shown(found, "tensor"))


def fastest(found: Outcome, fewer: list[Candidate]) -> str:
    """Return how ways with fewer splits compare; those that are faster have a last resort, or are nearly as
    fast."""
    faster = [one for one in fewer if one.fits and one.tokens_per_second > found.tokens_per_second]
    if not faster:
        return say("It is the fastest way that fits.")
    best = max(faster, key=lambda one: one.tokens_per_second)
    return say(
        "The best way with fewer splits ({way}) is {share:.0%} faster, too little for what it brings along.",
        way=words(differing(best.setup, found.setup)),
        share=best.tokens_per_second / found.tokens_per_second - 1,
    )


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


@rule("parallel.sharding", "sharding", "ZeRO: arXiv:1910.02054; PaddleNLP 3.0.0b4 trainer.py:2229")
def sharding(s: Situation) -> Choice:
    """Spread optimizer states, then gradients, where memory or speed asks for it."""
    found = outcome(s)
    stage, replicas = int(found.setup.sharding), int(found.setup.replicas)
    others = [not_(STAGES[int(one.setup.sharding)], one.reason) for one in other_degrees(found, "sharding")]
    if s.on_gpu and found.setup.processes > 1 and stage < 3:
        others.append(
            not_(
                "stage3", say("Spreads the weights too; saving and reloading under it fails in this version.")
            )
        )
    if stage == 0:
        if found.setup.processes == 1:
            because = say("There is one process, and nobody to share with.")
        elif replicas == 1:
            because = say("There is one replica, so there is nobody to share with.")
        else:
            because = say(
                "Everything fits without it: {peak} of {limit}.",
                peak=size(found.peak),
                limit=size(found.limit),
            )
        if not s.on_gpu:
            others = [
                not_("stage1", say("Saves little here and adds communication.")),
                not_("stage2", say("Needs accelerators.")),
            ]
        return Choice("none", because, tuple(others))
    because = say(
        "Spread over {degree} processes, optimizer states leave {peak} per device of {limit}.",
        degree=int(found.setup.sharding_degree),
        peak=size(found.peak),
        limit=size(found.limit),
    )
    return Choice(STAGES[stage], because, tuple(others))


@rule(
    "parallel.sharding_degree", "sharding_parallel_degree", "PaddleNLP 3.0.0b4 trainer/training_args.py:1156"
)
def sharding_degree(s: Situation) -> Choice:
    """All replicas share, or those of one node, or none."""
    setup = outcome(s).setup
    degree, replicas = int(setup.sharding_degree), int(setup.replicas)
    if setup.sharding == 0:
        return Choice(1, say("Nothing is sharded."))
    if degree == replicas:
        because = say("All {replicas} replicas share, the most that can be saved.", replicas=replicas)
        return Choice(degree, because)
    return Choice(
        degree,
        say(
            "The {degree} replicas of one node share over its fast link; between nodes only gradients "
            "travel.",
            degree=degree,
        ),
        (not_(replicas, say("Would gather weights over the network between nodes in every step.")),),
    )


@rule("parallel.data", "data_parallel_degree", "PaddleNLP 3.0.0b4 trainer/training_args.py:1175")
def data_parallel(s: Situation) -> Choice:
    """What is left of the processes."""
    total, shards = s.whole("num_processes"), s.whole("sharding_parallel_degree")
    split = int(outcome(s).setup.context)
    tensor_, pipe = s.whole("tensor_parallel_degree"), s.whole("pipeline_parallel_degree")
    degree = max(1, total // (tensor_ * pipe * shards * split))
    if total == 1:
        return Choice(1, say("There is one process."))
    return Choice(
        degree,
        say(
            "{total} processes / ({tensor} tensor x {pipe} pipeline x {shards} sharding) = {degree} plain "
            "replicas.",
            total=total,
            tensor=tensor_,
            pipe=pipe,
            shards=shards * split,
            degree=degree,
        )
        if split == 1
        else say(
            "{total} processes / ({tensor} tensor x {pipe} pipeline x {shards} sharding x {split} context) = "
            "{degree} plain replicas.",
            total=total,
            tensor=tensor_,
            pipe=pipe,
            shards=shards,
            split=split,
            degree=degree,
        ),
    )


def context_choice(s: Situation, setting: str) -> Choice:
    """Decide one of the two ways to split a sequence; ring attention is preferred where both exist."""
    found, split = family(s.word("engine"), s.model.model_type), int(outcome(s).setup.context)
    ring = found is not None and found.context_parallel
    own = (setting == "context_parallel_degree") == ring
    other = "sep_parallel_degree" if setting == "context_parallel_degree" else "context_parallel_degree"
    fixed = s.pinned_whole(other)
    if fixed is not None:
        own = fixed == 1
    if split > 1 and own:
        length = s.whole("max_length")
        return Choice(
            split,
            say("{split} processes share each sequence of {length:,} tokens.", split=split, length=length),
        )
    if split > 1:
        return Choice(1, say("Sequences are split the other way, by {setting}.", setting=other))
    return Choice(1, whole_sequences(s))


def whole_sequences(s: Situation) -> str:
    """Return why no sequence is split over processes."""
    length = s.whole("max_length")
    if length < LONG_SEQUENCE:
        return say(
            "Sequences of {length:,} tokens fit on one process; splitting is for pretraining with more than "
            "{long:,}.",
            length=length,
            long=LONG_SEQUENCE,
        )
    if s.wishes.stage != "pretrain":
        return say(
            "The engine splits sequences in pretraining only; here tensor parallelism and recomputation make "
            "room for {length:,} tokens.",
            length=length,
        )
    return say("Sequences of {length:,} tokens fit on one process, and whole ones are faster.", length=length)


@rule("parallel.context", "context_parallel_degree", "ring attention: arXiv:2310.01889; run_pretrain.py:443")
def context(s: Situation) -> Choice:
    """Only for sequences too long for one process."""
    return context_choice(s, "context_parallel_degree")


@rule("parallel.sep", "sep_parallel_degree", "Ulysses: arXiv:2309.14509; training_args.py:1152")
def sep(s: Situation) -> Choice:
    """The same by heads, where the engine has no ring attention."""
    return context_choice(s, "sep_parallel_degree")


@rule("parallel.expert", "expert_parallel_degree", "arXiv:2006.16668; training_args.py:1170-1185")
def expert(s: Situation) -> Choice:
    """Spread experts over the sharding group where that saves memory or time."""
    if s.model.experts is None:
        return Choice(1, say("The model has no experts."))
    found = outcome(s)
    degree = int(found.setup.expert)
    number = s.model.experts.count
    if degree == 1:
        because = say("Every process holds all {number} experts of its layers.", number=number)
        if found.setup.processes > 1 and not other_degrees(found, "expert"):
            because = f"{because} {no_expert_parallel(s)}"
        return Choice(1, because, shown(found, "expert"))
    return Choice(
        degree,
        say(
            "{number} experts are spread over {degree} processes: {peak} of {limit} per device.",
            number=number,
            degree=degree,
            peak=size(found.peak),
            limit=size(found.limit),
        ),
        shown(found, "expert"),
    )


def no_expert_parallel(s: Situation) -> str:
    """Return why experts cannot be spread here."""
    known = family(s.word("engine"), s.model.model_type)
    if known is None or not known.expert_parallel:
        return say(
            "{engine} cannot spread the experts of {kind} models.",
            engine=s.word("engine"),
            kind=s.model.model_type,
        )
    if s.word("method") != "full":
        return say("The engine spreads them only where every weight is trained.")
    return say("No way to spread them divides these processes.")


DEGREES = (
    processes,
    tensor,
    sequence_parallel,
    pipeline,
    virtual,
    sharding,
    sharding_degree,
    context,
    sep,
    expert,
    data_parallel,
)


RULES = (*DEGREES, *SWITCHES)
