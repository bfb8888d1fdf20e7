"""What is spread over processes that see different rows: optimizer states, gradients, experts."""

from __future__ import annotations

from planner.families import family
from planner.language import say
from planner.pace import STAGES
from planner.phrases import size
from planner.rules.rivals import other_degrees, shown
from planner.rules.rule import Choice, not_, rule
from planner.search import Outcome, outcome
from planner.situation import Situation


@rule("parallel.sharding", "sharding", "ZeRO: arXiv:1910.02054; PaddleNLP 3.0.0b4 trainer.py:2229")
def sharding(s: Situation) -> Choice:
    """Spread optimizer states, then gradients, where memory or speed asks for it."""
    found = outcome(s)
    stage = int(found.setup.sharding)
    others = [not_(STAGES[int(one.setup.sharding)], one.reason) for one in other_degrees(found, "sharding")]
    if s.on_gpu and found.setup.processes > 1 and stage < 3:
        others.append(
            not_(
                "stage3", say("Spreads the weights too; saving and reloading under it fails in this version.")
            )
        )
    if stage == 0 and not s.on_gpu:
        others = [
            not_("stage1", say("Saves little here and adds communication.")),
            not_("stage2", say("Needs accelerators.")),
        ]
    return Choice(STAGES[stage], whole_states(found) if stage == 0 else spread_states(found), tuple(others))


def whole_states(found: Outcome) -> str:
    """Return why every process keeps all optimizer states."""
    if found.setup.processes == 1:
        return say("There is one process, and nobody to share with.")
    if found.setup.replicas == 1:
        return say("There is one replica, so there is nobody to share with.")
    return say(
        "Everything fits without it: {peak} of {limit}.", peak=size(found.peak), limit=size(found.limit)
    )


def spread_states(found: Outcome) -> str:
    """Return what sharing optimizer states leaves."""
    return say(
        "Spread over {degree} processes, optimizer states leave {peak} per device of {limit}.",
        degree=int(found.setup.sharding_degree),
        peak=size(found.peak),
        limit=size(found.limit),
    )


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


RULES = (sharding, sharding_degree, expert, data_parallel)
