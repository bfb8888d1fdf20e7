"""How many rows a step sees. The search chose micro-batch and accumulation; these rules explain them."""

from __future__ import annotations

import math

from planner.budget import wanted_epochs
from planner.language import say
from planner.phrases import count, parameters, plural, size
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.search import HEADROOM, TARGET_STEPS, outcome, wanted_rows, wanted_sequences
from planner.search.demand import room_for_sequences
from planner.search.grid import MOST_TOKENS
from planner.situation import Situation
from planner.workload import power_of_two_below, sequence_tokens, sequences

SHM_PER_LOADER = 256 * 1024**2

BEYOND = 1.5
"""Times the wanted rows from which a step is said to see more than it should."""

LOADED_BY_ONE = "kunlun"
"""Maker of the devices for which PaddleFormers sets dataloader_num_workers to 1
(paddleformers/trainer/training_args.py:1816)."""


def demand(s: Situation) -> tuple[float, float]:
    """Return the (rows, sequences) that a step should see."""
    rate = None if s.wishes.time_limit_minutes is None else outcome(s).tokens_per_second
    method = s.word("method")
    return wanted_rows(s, method, rate), wanted_sequences(s, method, rate)


@rule(
    "batch.micro",
    "per_device_train_batch_size",
    "forecast of planner/memory and planner/speed; published micro-batch sweeps",
)
def micro(s: Situation) -> Choice:
    """As many sequences as are wanted per step, fit, and make a device faster."""
    found, length = outcome(s), s.whole("max_length")
    value = int(found.setup.micro_batch)
    rows, wanted = demand(s)
    useful = max(1, MOST_TOKENS[s.device] // length)
    share = max(1, power_of_two_below(wanted / int(found.setup.replicas)))
    usable = size(HEADROOM * found.limit)
    tokens = say("{sequences} of {length:,} tokens", sequences=plural(value, "sequence"), length=length)
    larger = [
        one for one in found.rejected if one.kind == "micro_batch" and int(one.setup.micro_batch) > value
    ]
    if value == useful:
        device = s.device.upper()
        because = say("{tokens} fill the {device}; more would be no faster.", tokens=tokens, device=device)
        why_more = say("No faster, and more memory.")
    elif value >= share:
        because = say(
            "{tokens} per process are all that a step of about {rows:.0f} rows needs.",
            tokens=tokens,
            rows=rows,
        )
        why_more = say("More rows per step would leave fewer than {steps} steps.", steps=TARGET_STEPS)
    elif not s.flag("zero_padding") and value == 1 and larger and larger[0].fits:
        alone, together = (sequence_tokens(s.data, length, False, number) for number in (1, 2))
        because = say(
            "One row at a time has {alone:.0f} tokens on average; rows in a batch are padded to the longest "
            "of them, about {together:.0f}.",
            alone=alone,
            together=together,
        )
        why_more = larger[0].reason
    elif larger and larger[0].fits:
        because = say("{tokens} at a time: more would fit only beside slower settings.", tokens=tokens)
        if s.wishes.goal == "memory":
            because = say("{tokens} at a time need the least memory, which you favour.", tokens=tokens)
        why_more = larger[0].reason
    elif not larger and int(found.setup.pipeline) > 1:
        because = say("{tokens} at a time: many small pieces keep the pipeline's stages busy.", tokens=tokens)
        why_more = say("Fewer pieces, and longer waits at the pipeline's ends.")
    else:
        because = say(
            "{tokens} need {peak} of the {usable} that may be used.",
            tokens=tokens,
            peak=size(found.peak),
            usable=usable,
        )
        why_more = larger[0].reason if larger else say("Does not fit into {usable}.", usable=usable)
    return Choice(value, because, (not_(value * 2, why_more),))


def too_many_processes(s: Situation, rows: float) -> bool:
    """Return whether the least that a step can see leaves too few steps: one sequence for each replica."""
    least = s.whole("per_device_train_batch_size") == 1 and int(outcome(s).setup.accumulation) == 1
    few = s.data.train_rows * wanted_epochs(s) / rows < TARGET_STEPS
    return s.on_gpu and least and few and rows > BEYOND * demand(s)[0] and fewer_processes(s) > 0


def fewer_processes(s: Situation) -> int:
    """Return a number of processes, evenly over the nodes, that leaves TARGET_STEPS; 0 if there is none."""
    total, replicas = s.whole("num_processes"), int(outcome(s).setup.replicas)
    room = room_for_sequences(s)
    number = total
    while number > 1 and replicas * number / total > room:
        number //= 2
    return number if number < total and number % s.hardware.nodes == 0 else 0


def all_steps(s: Situation, per_epoch: int, per_step: int) -> int:
    """Return the steps of all passes when a step sees so many sequences."""
    return wanted_epochs(s) * math.ceil(per_epoch / per_step)


def more_rows(s: Situation, replicas: int) -> str:
    """Return why a step sees more rows than it needs."""
    stages = s.whole("pipeline_parallel_degree")
    if stages > 1:
        return say("with fewer, {stages} pipeline stages would wait longer at their ends.", stages=stages)
    if s.flag("offload_optim"):
        return say("optimizer states then travel less often.")
    if replicas > 1:
        return say("{replicas} replicas take at least one sequence each.", replicas=replicas)
    return say("one sequence already holds so many.")


@rule("batch.accumulation", "gradient_accumulation_steps", "PaddleNLP 3.0.0b4 trainer/training_args.py:433")
def accumulation(s: Situation) -> Choice:
    """Forward passes until a step has seen the rows that it should."""
    replicas = s.whole("data_parallel_degree") * s.whole("sharding_parallel_degree")
    per_pass = s.whole("per_device_train_batch_size") * replicas
    value = int(outcome(s).setup.accumulation)
    per_epoch = sequences(
        s.data, s.whole("max_length"), s.flag("zero_padding"), s.flag("greedy_zero_padding")
    )
    rows, wanted = value * per_pass * s.data.train_rows / per_epoch, demand(s)[0]
    if s.wishes.stage == "pretrain":
        because = tokens_of_step(s, value, per_pass)
    elif too_many_processes(s, rows):
        because = too_many(s, replicas, rows, per_epoch)
    elif rows > BEYOND * wanted:
        because = say(
            "{value} x {per_pass} sequences are about {rows:.0f} rows per step, more than the {wanted:.0f} "
            "that would do: {why}",
            value=value,
            per_pass=per_pass,
            rows=rows,
            wanted=wanted,
            why=more_rows(s, replicas),
        )
    else:
        because = say(
            "{value} x {per_pass} sequences are about {rows:.0f} rows per step; about {wanted:.0f} are "
            "wanted for {all} and at least {steps} steps.",
            value=value,
            per_pass=per_pass,
            rows=rows,
            wanted=wanted,
            all=plural(s.data.train_rows, "row"),
            steps=TARGET_STEPS,
        )
    twice = say("About {rows:.0f} rows per step: half as many steps.", rows=2 * rows)
    return Choice(value, because, (not_(value * 2, twice),))


def tokens_of_step(s: Situation, value: int, per_pass: int) -> str:
    """Return the tokens of a step of pretraining."""
    return say(
        "{value} x {per_pass} sequences are about {tokens} tokens per step, usual for {number} weights "
        "and {text} tokens of text.",
        value=value,
        per_pass=per_pass,
        tokens=count(value * per_pass * s.whole("max_length")),
        number=parameters(s.model.parameters),
        text=count(s.data.lengths.total),
    )


def too_many(s: Situation, replicas: int, rows: float, per_epoch: int) -> str:
    """Return what so many processes do to so few rows, and how many would serve better, if any would."""
    few, fewer = all_steps(s, per_epoch, replicas), fewer_processes(s)
    more = all_steps(s, per_epoch, max(1, replicas * fewer // s.whole("num_processes")))
    because = say(
        "{replicas} replicas take at least one sequence each, so a step sees about {rows:.0f} rows where "
        "{wanted:.0f} are wanted: about {few} steps in all instead of {steps}.",
        replicas=replicas,
        rows=rows,
        wanted=demand(s)[0],
        few=few,
        steps=TARGET_STEPS,
    )
    if more <= few:
        return because
    remedy = say("With --set num_processes={fewer} there would be about {more}.", fewer=fewer, more=more)
    return f"{because} {remedy}"


@rule(
    "batch.eval",
    "per_device_eval_batch_size",
    "PaddleNLP 3.0.0b4 trainer/training_args.py:1323; no gradients in evaluation",
)
def evaluation(s: Situation) -> Choice:
    """The training micro-batch, which is known to fit; a pipeline evaluates all of a step's at once."""
    value = s.whole("per_device_train_batch_size")
    if s.whole("pipeline_parallel_degree") > 1 and s.word("engine") == "paddlenlp":
        value *= s.whole("gradient_accumulation_steps")
        because = say(
            "{sequences}: with a pipeline the engine evaluates as many at once as a step trains, in pieces "
            "of one micro-batch.",
            sequences=plural(value, "sequence"),
        )
        return Choice(value, because, (not_(value * 2, say("The engine would set it back.")),))
    return Choice(
        value,
        say(
            "{sequences}, as in training: what fits with gradients fits without.",
            sequences=plural(value, "sequence"),
        ),
        (not_(value * 2, say("Scores over the vocabulary would set the peak memory.")),),
    )


@rule("batch.loader", "dataloader_num_workers", f"{MEASURED_CPU}: loader processes change the data order")
def loader(s: Situation) -> Choice:
    """Rows are tokenised before training, so loading needs no help; one process where the engine insists
    (paddleformers/trainer/training_args.py:1816)."""
    if s.on_gpu and s.word("engine") == "paddleformers" and s.hardware.devices[0].maker == LOADED_BY_ONE:
        insists = say("PaddleFormers sets one process on Kunlun devices, whatever the config says.")
        return Choice(1, insists, (not_(0, say("The engine would set it to 1.")),))
    shm = s.hardware.shm_bytes
    why = say("They change the order of rows, and a resumed run would differ.")
    if 0 < shm < SHM_PER_LOADER:
        why = say("/dev/shm has only {shm}, and they would crash with a bus error.", shm=size(shm))
    return Choice(
        0,
        say(
            "{rows} tokenised rows lie in memory; handing them over takes no time.",
            rows=count(s.data.train_rows),
        ),
        (not_(2, why),),
    )


RULES = (micro, accumulation, evaluation, loader)
