"""How many rows a step sees."""

from __future__ import annotations

from dataclasses import replace

from planner import memory
from planner.budget import TARGET_STEPS, affordable_rows
from planner.layout import HEADROOM, layout, memory_limit
from planner.phrases import count, plural, size
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.setup import Setup
from planner.situation import Situation
from planner.workload import power_of_two_below, sequences

MOST_ROWS = {"lora": 32, "full": 64}
"""Most rows per step that a plan chooses: more than that seldom helps fine-tuning."""

MOST_TOKENS = {"cpu": 256, "gpu": 16384}
"""Tokens of one forward pass beyond which a device gains no speed."""

SHM_PER_LOADER = 256 * 1024**2


def wanted_rows(s: Situation) -> float:
    """Return the rows that a step should see: few enough for TARGET_STEPS steps, at most MOST_ROWS."""
    return min(max(1.0, affordable_rows(s) / TARGET_STEPS), MOST_ROWS[s.word("method")])


def wanted_sequences(s: Situation) -> float:
    """Return the same in sequences: packs or rows."""
    per_epoch = sequences(
        s.data, s.whole("max_length"), s.flag("zero_padding"), s.flag("greedy_zero_padding")
    )
    return max(1.0, wanted_rows(s) * per_epoch / s.data.train_rows)


def largest_fitting(s: Situation, setup: Setup, most: int) -> int:
    """Return the largest power of two up to `most` whose forecast peak fits."""
    size_ = 1
    while size_ * 2 <= most:
        trial = replace(setup, micro_batch=size_ * 2)
        if memory.total(memory.peak(s.model, trial, s.device)) > HEADROOM * memory_limit(s, trial):
            break
        size_ *= 2
    return size_


@rule(
    "batch.micro",
    "per_device_train_batch_size",
    "forecast of planner/memory.py; published micro-batch sweeps",
)
def micro(s: Situation) -> Choice:
    """As many sequences as fill the device, fit, and are wanted per step."""
    setup = layout(s).setup
    length = s.whole("max_length")
    accumulation = s.pinned_whole("gradient_accumulation_steps") or 1
    useful = max(1, MOST_TOKENS[s.device] // length)
    wanted = max(1, power_of_two_below(wanted_sequences(s) / setup.replicas / accumulation))
    fits = largest_fitting(s, replace(setup, micro_batch=1), min(useful, wanted))
    peak = memory.total(memory.peak(s.model, replace(setup, micro_batch=fits), s.device))
    tokens = f"{plural(fits, 'sequence')} of {length:,} tokens"
    limit = size(HEADROOM * memory_limit(s, setup))
    if fits == useful:
        because = f"{tokens} fill the {s.device.upper()}; more would be no faster."
        why_more = "No faster, and more memory."
    elif fits == wanted:
        because = f"{tokens} per process are all that a step of about {wanted_rows(s):.0f} rows needs."
        why_more = f"More rows per step would leave fewer than {TARGET_STEPS} steps."
    else:
        because = f"{tokens} need {size(peak)} of the {limit} that may be used."
        why_more = f"Does not fit into {limit}."
    return Choice(fits, because, (not_(fits * 2, why_more),))


@rule("batch.accumulation", "gradient_accumulation_steps", "PaddleNLP 3.0.0b4 trainer/training_args.py:433")
def accumulation(s: Situation) -> Choice:
    """Forward passes until a step has seen the rows that it should."""
    replicas = s.whole("data_parallel_degree") * s.whole("sharding_parallel_degree")
    per_pass = s.whole("per_device_train_batch_size") * replicas
    value = max(1, round(wanted_sequences(s) / per_pass))
    per_epoch = sequences(
        s.data, s.whole("max_length"), s.flag("zero_padding"), s.flag("greedy_zero_padding")
    )
    rows = value * per_pass * s.data.train_rows / per_epoch
    return Choice(
        value,
        f"{value} x {per_pass} sequences are about {rows:.0f} rows per step; about {wanted_rows(s):.0f} are "
        f"wanted for {plural(s.data.train_rows, 'row')} and at least {TARGET_STEPS} steps.",
        (not_(value * 2, f"About {2 * rows:.0f} rows per step: half as many steps."),),
    )


@rule("batch.eval", "per_device_eval_batch_size", "no gradients and no optimizer states in evaluation")
def evaluation(s: Situation) -> Choice:
    """The training micro-batch, which is known to fit."""
    value = s.whole("per_device_train_batch_size")
    return Choice(
        value,
        f"{plural(value, 'sequence')}, as in training: what fits with gradients fits without.",
        (not_(value * 2, "Scores over the vocabulary would set the peak memory."),),
    )


@rule("batch.loader", "dataloader_num_workers", f"{MEASURED_CPU}: loader processes change the data order")
def loader(s: Situation) -> Choice:
    """Rows are tokenised before training, so loading needs no help."""
    shm = s.hardware.shm_bytes
    why = "They change the order of rows, and a resumed run would differ."
    if 0 < shm < SHM_PER_LOADER:
        why = f"/dev/shm has only {size(shm)}, and they would crash with a bus error."
    return Choice(
        0,
        f"{count(s.data.train_rows)} tokenised rows lie in memory; handing them over takes no time.",
        (not_(2, why),),
    )


RULES = (micro, accumulation, evaluation, loader)
