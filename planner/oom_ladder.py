"""What to change in a plan whose run was out of memory: one step at a time, the cheapest first.

    rows of a micro-batch fewer, passes per step more (the same rows in every step)
    -> recompute activations -> fewer processes on a machine without a GPU -> spread optimizer states
    -> optimizer states in host memory -> frozen weights in few bits -> shorter rows (only with consent)

Everything else stays as it was decided, so the steps, the rows of each step and the learning rate are those
of the plan before. The planner's own constraints and forecast judge every step: one that the engine refuses,
or whose forecast is not lower, is no step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from planner.errors import SteersmanError
from planner.forecast import make_forecast
from planner.language import join, say, speaking
from planner.methods import blocked
from planner.phrases import size
from planner.plan import Alternative, Decision, Forecast, Plan
from planner.refusals import show
from planner.rules.constraints import broken
from planner.situation import Situation
from planner.solve import make_plan, refuse_unaccepted
from planner.wishes import Value

Memory = Literal["device", "host", "evaluation"]
"""Which memory ran out; `evaluation` is either, while dev rows were looked at."""

Changes = dict[str, Value]

SHORTEST = 128
"""Tokens below which rows are not cut further: hardly a conversation is left."""

RULE = "oom"
"""Prefix of the rule ids of decisions that the ladder made."""


@dataclass(frozen=True)
class Step:
    """One step down the ladder."""

    rung: str
    plan: Plan
    changes: Changes
    because: str
    """One sentence: what changes, what it costs, what the forecast says."""
    consent: bool = False
    """Whether it changes what is learned, so that only a person may take it."""
    keeps_checkpoints: bool = True
    """Whether training continues from its last checkpoint; otherwise it begins again."""


@dataclass(frozen=True)
class Rung:
    """A kind of step: its changes (several to try, the first that works counts) and its words."""

    name: str
    changes: Callable[[Situation, Memory], Iterator[Changes]]
    words: Callable[[Changes], str]
    consent: bool = False
    keeps_checkpoints: bool = True


def next_step(plan: Plan, memory: Memory) -> Step | None:
    """Return the next step down from a plan whose run was out of `memory`; None at the foot of the ladder.

    Pure. The new plan keeps the facts, the name and every reason of what did not change.
    """
    with speaking(plan.wishes.language):
        for rung in LADDER:
            for changes in rung.changes(situation(plan), memory):
                found = attempt(plan, rung, changes, memory)
                if found is not None:
                    return found
    return None


def situation(plan: Plan, changes: Changes | None = None) -> Situation:
    """Return a plan's decisions as a situation, some of them changed and fixed."""
    changes = changes or {}
    wishes = plan.wishes.model_copy(update={"pins": plan.wishes.pins | changes})
    decisions = {name: decision for name, decision in plan.decisions.items() if name not in changes}
    new = {name: Decision(value=value, because="", rule=RULE, source="") for name, value in changes.items()}
    return Situation(plan.facts, wishes, {**decisions, **new})


def attempt(plan: Plan, rung: Rung, changes: Changes, memory: Memory) -> Step | None:
    """Return the step if the engine accepts it and its forecast is lower, else None."""
    try:
        again = remade(plan, changes) if rung.consent else fixed(plan, changes)
    except SteersmanError:
        return None
    if again is None or not lower(rung, memory, plan, again):
        return None
    because = join((rung.words(changes), forecast_words(rung, plan.forecast, again.forecast)))
    new = decided(plan, again, rung, changes, because)
    return Step(rung.name, new, changes, because, rung.consent, rung.keeps_checkpoints)


def fixed(plan: Plan, changes: Changes) -> Plan | None:
    """Return the plan with nothing else changed, if the engine accepts it. Raises what the planner raises."""
    s = situation(plan, changes)
    before = {fault.id for fault in broken(situation(plan))}
    if any(fault.id not in before for fault in broken(s)):
        return None
    new = plan.model_copy(update={"decisions": s.decisions, "forecast": make_forecast(s)})
    refuse_unaccepted(new)
    return new


def remade(plan: Plan, changes: Changes) -> Plan:
    """Return a plan in which everything is decided anew around the changes."""
    wishes = plan.wishes.model_copy(update={"pins": plan.wishes.pins | changes})
    return make_plan(plan.facts, wishes, alternatives=False)


def lower(rung: Rung, memory: Memory, before: Plan, after: Plan) -> bool:
    """Return whether a step is forecast to need less of what ran out."""
    old, new = before.forecast, after.forecast
    if rung.name == "evaluation":
        return (new.evaluation_peak_bytes or 0) < (old.evaluation_peak_bytes or 0)
    if rung.name == "processes" or (memory == "host" and situation(before).on_gpu):
        return new.host_memory_bytes < old.host_memory_bytes
    return new.peak_memory_bytes < old.peak_memory_bytes


def forecast_words(rung: Rung, before: Forecast, after: Forecast) -> str:
    """Return what the forecast says of a step."""
    old, new = before.peak_memory_bytes, after.peak_memory_bytes
    if rung.name == "evaluation":
        old, new = before.evaluation_peak_bytes or 0, after.evaluation_peak_bytes or 0
    if rung.name == "processes":
        old, new = before.host_memory_bytes, after.host_memory_bytes
        return say("All processes together: {new} instead of {old}.", new=size(new), old=size(old))
    return say("Forecast for a process: {new} instead of {old}.", new=size(new), old=size(old))


def decided(plan: Plan, again: Plan, rung: Rung, changes: Changes, because: str) -> Plan:
    """Return the new plan, in which changed decisions say what they replaced, under the old one's name."""
    decisions = dict(again.decisions)
    source = say("out of memory in this run; planner/oom_ladder.py")
    for name, value in changes.items():
        before = plan.decisions[name].value
        rejected = Alternative(value=before, because=say("The run was out of memory with it."))
        decisions[name] = Decision(
            value=value,
            because=because,
            rule=f"{RULE}.{rung.name}",
            source=source,
            alternatives=(rejected,) if before != value else (),
        )
    wishes = plan.wishes.model_copy(update={"pins": dict(sorted((plan.wishes.pins | changes).items()))})
    update = {"decisions": decisions, "wishes": wishes, "alternatives": (), "name": plan.name}
    return again.model_copy(update=update)


def listed(changes: Changes) -> str:
    """Return changes as a person writes them."""
    return ", ".join(f"{name}={show(value)}" for name, value in changes.items())


# The rungs


def evaluation(s: Situation, memory: Memory) -> Iterator[Changes]:
    """Fewer dev rows at once: no result depends on it."""
    rows = s.whole("per_device_eval_batch_size")
    if memory == "evaluation" and rows > 1:
        yield {"per_device_eval_batch_size": max(1, rows // 2)}


def micro_batch(s: Situation, memory: Memory) -> Iterator[Changes]:
    """The largest smaller micro-batch with which a step still has the same rows."""
    rows, passes = s.whole("per_device_train_batch_size"), s.whole("gradient_accumulation_steps")
    for fewer in range(rows // 2, 0, -1):
        if rows * passes % fewer == 0:
            changes: Changes = {
                "per_device_train_batch_size": fewer,
                "gradient_accumulation_steps": rows * passes // fewer,
            }
            pipelined = s.whole("pipeline_parallel_degree") > 1
            if not pipelined and s.whole("per_device_eval_batch_size") > fewer:
                changes["per_device_eval_batch_size"] = fewer
            yield changes


def recompute(s: Situation, memory: Memory) -> Iterator[Changes]:
    """Compute activations twice instead of keeping them."""
    if not s.flag("recompute") or s.word("recompute_granularity") != "full":
        yield {"recompute": True, "recompute_granularity": "full"}


def sharding(s: Situation, memory: Memory) -> Iterator[Changes]:
    """Spread what replicas hold alike: optimizer states, gradients, weights."""
    stages = ("none", "stage1", "stage2", "stage3")
    replicas = s.whole("data_parallel_degree") * s.whole("sharding_parallel_degree")
    if replicas == 1 or not s.flag("unified_checkpoint"):
        return
    for stage in stages[stages.index(s.word("sharding")) + 1 :]:
        changes: Changes = {
            "sharding": stage,
            "sharding_parallel_degree": replicas,
            "data_parallel_degree": 1,
        }
        if stage == "stage3":
            changes["unified_checkpoint"] = False  # the engine switches it off there
        yield changes


def offload(s: Situation, memory: Memory) -> Iterator[Changes]:
    """Keep optimizer states in host memory between steps."""
    if s.on_gpu and memory == "device" and not s.flag("offload_optim"):
        yield {"offload_optim": True}


def processes(s: Situation, memory: Memory) -> Iterator[Changes]:
    """Half as many processes on a machine without a GPU, each with twice the passes."""
    count, replicas = s.whole("num_processes"), s.whole("data_parallel_degree")
    if s.on_gpu or count == 1 or count % 2 or replicas != count or s.hardware.nodes > 1:
        return
    if s.flag("unified_checkpoint"):  # its layout does not depend on the number of processes
        yield {
            "num_processes": count // 2,
            "data_parallel_degree": count // 2,
            "gradient_accumulation_steps": 2 * s.whole("gradient_accumulation_steps"),
            "omp_num_threads": 2 * s.whole("omp_num_threads"),
        }


def quantise(s: Situation, memory: Memory) -> Iterator[Changes]:
    """Store the frozen weights in few bits; the adapters go on as they are."""
    if s.word("method") != "lora" or memory == "host" or blocked(s, "qlora"):
        return
    for algorithm in ("weight_only_int8", "nf4"):
        yield {"method": "qlora", "weight_quantize_algo": algorithm}


def shorten(s: Situation, memory: Memory) -> Iterator[Changes]:
    """Half the longest row: longer ones are left out or cut, so other things are learned."""
    length = s.whole("max_length") // 2
    if length >= SHORTEST:
        yield {"max_length": length, "src_length": min(s.whole("src_length"), length // 2)}


LADDER = (
    Rung(
        "evaluation",
        evaluation,
        lambda c: say("Dev rows are looked at {rows} at a time.", rows=c["per_device_eval_batch_size"]),
    ),
    Rung(
        "micro_batch",
        micro_batch,
        lambda c: say(
            "Micro-batch {micro} with {passes} passes per step: every step still sees the same rows, and "
            "takes a little longer.",
            micro=c["per_device_train_batch_size"],
            passes=c["gradient_accumulation_steps"],
        ),
    ),
    Rung(
        "recompute",
        recompute,
        lambda c: say(
            "Activations are computed again in the backward pass: same results, about a third slower."
        ),
    ),
    Rung(
        "processes",
        processes,
        lambda c: say(
            "{processes} processes with twice the passes: every step still sees the same rows.",
            processes=c["num_processes"],
        ),
    ),
    Rung(
        "sharding",
        sharding,
        lambda c: say(
            "{stage}: what {processes} processes held alike is spread over them; same results, more traffic.",
            stage=c["sharding"],
            processes=c["sharding_parallel_degree"],
        ),
    ),
    Rung(
        "offload",
        offload,
        lambda c: say("Optimizer states wait in host memory between steps: same results, slower steps."),
    ),
    Rung(
        "quantise",
        quantise,
        lambda c: say(
            "The frozen weights are stored as {algorithm}; the adapters go on, on slightly rounded weights.",
            algorithm=c["weight_quantize_algo"],
        ),
    ),
    Rung(
        "shorten",
        shorten,
        lambda c: say(
            "Rows of at most {length} tokens: longer ones no longer count in full, and training begins "
            "again.",
            length=c["max_length"],
        ),
        consent=True,
        keeps_checkpoints=False,
    ),
)
"""From what changes nothing but time to what changes the result."""
