"""When to look and when to save."""

from __future__ import annotations

import math

from planner.budget import LOOKS, look_seconds, looks
from planner.pace import setup_from, step_seconds
from planner.phrases import duration, plural, size
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.setup import adapter_parameters
from planner.situation import Situation

LOST_SECONDS = 600
"""Most training time that an interruption may cost."""

MOST_KEPT = 3
DISK_SHARE = 0.5
"""Share of the free disk that checkpoints may take; the model's copies and the merged result need the
rest."""


def checkpoint_bytes(s: Situation) -> int:
    """Return the size of one checkpoint: trained weights, float32 master copies in 16 bits, two Adam
    moments."""
    width = setup_from(s.get).number_bytes
    per_weight = width + (4 if width == 2 else 0) + 8
    if s.word("method") == "full":
        return s.model.parameters * per_weight
    return adapter_parameters(s.model, s.whole("lora_rank"), s.word("lora_target_modules")) * per_weight


def even_interval(total: int, most: int) -> int:
    """Return the largest interval up to `most` that divides `total`; `most` itself if only tiny ones do."""
    for interval in range(most, most // 2, -1):
        if total % interval == 0:
            return interval
    return most


@rule("checkpoints.logging", "logging_steps", "PaddleNLP 3.0.0b4 trainer/training_args.py:479")
def logging(s: Situation) -> Choice:
    """About a hundred loss lines per run."""
    total = s.whole("max_steps")
    value = max(1, total // 100)
    return Choice(
        value,
        f"{plural(total, 'step')} give about {total // value} loss lines.",
        (not_(500, "Upstream's default: hardly a line."),),
    )


@rule("checkpoints.evaluation", "evaluation_strategy", "PaddleNLP 3.0.0b4 trainer/training_args.py:419,1056")
def evaluation(s: Situation) -> Choice:
    """By steps, when there is something to evaluate on and time for it."""
    if not s.data.dev_rows:
        return Choice("no", "There are no dev rows to evaluate on.", (not_("steps", "Nothing to measure."),))
    held_out = plural(s.data.dev_rows, "held-out row")
    if not looks(s):
        return Choice(
            "no",
            f"One look at {held_out} takes about {duration(look_seconds(s))}, too much of your limit of "
            f"{s.wishes.time_limit_minutes:g} min.",
            (not_("steps", "Would leave too little time for training."),),
        )
    return Choice(
        "steps",
        f"Loss on {held_out} shows whether the model learns or only memorises.",
        (
            not_("epoch", "Cannot be lined up with checkpoints by steps."),
            not_("no", "Overfitting would go unseen."),
        ),
    )


@rule("checkpoints.eval_steps", "eval_steps", "five evaluations per run, at most a fifth of the time")
def eval_steps(s: Situation) -> Choice:
    """About five looks, evenly spaced and ending with the run."""
    total = s.whole("max_steps")
    value = even_interval(total, max(1, math.ceil(total / max(1, looks(s)))))
    if s.word("evaluation_strategy") == "no":
        return Choice(value, "Not used: nothing is evaluated.")
    number = math.ceil(total / value)
    return Choice(
        value,
        f"{plural(number, 'evaluation')} of about {duration(look_seconds(s))} in {plural(total, 'step')}.",
        (not_(max(1, value // 4), "Four times the time spent on looking."),) if value > 4 else (),
    )


@rule("checkpoints.save_steps", "save_steps", "PaddleNLP 3.0.0b4 trainer/training_args.py:1086; lost work")
def save_steps(s: Situation) -> Choice:
    """Five times in a run and at evaluations, or more often when an interruption would cost too much."""
    pace, total = step_seconds(s), s.whole("max_steps")
    value = s.whole("eval_steps")
    if value > math.ceil(total / LOOKS):
        value = even_interval(value, max(1, math.ceil(total / LOOKS)))
    if value * pace > LOST_SECONDS and s.word("method") == "lora":
        value = even_interval(value, max(1, int(LOST_SECONDS / pace)))
    each = size(checkpoint_bytes(s))
    return Choice(
        value,
        f"An interruption costs at most {duration(value * pace)}; a checkpoint takes {each}.",
        (not_(total, f"An interruption would cost up to {duration(total * pace)}."),),
    )


@rule("checkpoints.keep", "save_total_limit", "size per weight: PaddleNLP llm/docs/unified_checkpoint.md")
def keep(s: Situation) -> Choice:
    """As many as the disk holds, at most three."""
    each = checkpoint_bytes(s)
    if s.hardware.origin == "typed" and not s.hardware.disk_free_bytes:
        value, disk = (MOST_KEPT if s.word("method") == "lora" else 1), "an unknown disk"
    else:
        room = int(DISK_SHARE * s.hardware.disk_free_bytes // max(1, each))
        value, disk = min(MOST_KEPT, max(1, room)), f"{size(s.hardware.disk_free_bytes)} of free disk"
    return Choice(
        value,
        f"{plural(value, 'checkpoint')} of {size(each)} on {disk}: the newest to resume from"
        + (", older ones in case it is damaged." if value > 1 else "."),
        (not_(value + 7, f"Would take {size((value + 7) * each)}."),),
    )


@rule(
    "checkpoints.unified",
    "unified_checkpoint",
    f"{MEASURED_CPU}; PaddleNLP 3.0.0b4 trainer/training_args.py:1806",
)
def unified(s: Situation) -> Choice:
    """The layout that other process counts can load, except where the engine does not support it."""
    if s.word("sharding") == "stage3":
        return Choice(False, "The engine switches it off under stage3.")
    return Choice(
        True,
        f"A checkpoint of {s.whole('num_processes')} process(es) can be resumed by another number of them.",
        (not_(False, "Tied to the number of processes that wrote it."),),
    )


RULES = (logging, evaluation, eval_steps, save_steps, keep, unified)
