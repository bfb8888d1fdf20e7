"""When to look and when to save."""

from __future__ import annotations

import math

from planner.budget import LOOKS, look_seconds, looks
from planner.language import say
from planner.methods import methods
from planner.pace import setup_from, step_seconds
from planner.phrases import duration, plural, size
from planner.rules.adapters import own_worker
from planner.rules.rule import MEASURED_CPU, Choice, not_, rule
from planner.setup import trainable_parameters
from planner.situation import Situation
from planner.unused import WITHOUT_TRAINING

LOST_SECONDS = 600
"""Most training time that an interruption may cost."""

MOST_KEPT = 3
DISK_SHARE = 0.5
"""Share of the free disk that checkpoints may take; the model's copies and the merged result need the
rest."""

MOMENT_BYTES = {"adamw": 8, "adamw_16bit_moment": 4, "adamw_mini": 4}
"""Bytes per weight of Adam's averages: two of float32; two of 16 bits; one of float32 and one per block."""


def checkpoint_bytes(s: Situation) -> int:
    """Return the size of one checkpoint: trained weights, float32 master copies in 16 bits, two Adam
    moments."""
    setup = setup_from(s.get)
    width = setup.number_bytes
    per_weight = width + (4 if width == 2 else 0) + MOMENT_BYTES[s.word("optim")]
    return int(trainable_parameters(s.model, setup)) * per_weight


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
    overlap = [name for name in OVERLAPS if name in str(s.known("sharding_parallel_config", ""))]
    if overlap and value == 1:
        return Choice(
            2,
            say("{switch} needs at least 2 steps between loss lines.", switch=overlap[0]),
            (not_(1, say("The engine refuses it beside {switch}.", switch=overlap[0])),),
        )
    return Choice(
        value,
        say("{steps} give about {lines} loss lines.", steps=plural(total, "step"), lines=total // value),
        (not_(500, say("Upstream's default: hardly a line.")),),
    )


FEW_HELD_OUT = 30
"""Held-out rows below which the mean of their losses says little: the usual size from which a sample's mean
is taken as normal."""

OVERLAPS = ("enable_stage2_overlap", "enable_stage1_broadcast_overlap", "enable_stage1_allgather_overlap")
"""Switches that need logging_steps > 1 (trainer/training_args.py:1528,1542,1556)."""


@rule("checkpoints.evaluation", "evaluation_strategy", "PaddleNLP 3.0.0b4 trainer/training_args.py:419,1056")
def evaluation(s: Situation) -> Choice:
    """By steps, when there is something to evaluate on and time for it."""
    if s.wishes.stage in WITHOUT_TRAINING:
        return Choice("no", say("Nothing is trained."))
    if not s.data.dev_rows:
        return Choice(
            "no", say("There are no dev rows to evaluate on."), (not_("steps", say("Nothing to measure.")),)
        )
    held_out = plural(s.data.dev_rows, "held-out row")
    if not looks(s):
        return Choice(
            "no",
            say(
                "One look at {rows} takes about {time}, too much of your limit of {limit:g} min.",
                rows=held_out,
                time=duration(look_seconds(s)),
                limit=s.wishes.time_limit_minutes or 0,
            ),
            (not_("steps", say("Would leave too little time for training.")),),
        )
    because = say("Loss on {rows} shows whether the model learns or only memorises.", rows=held_out)
    if s.data.dev_rows < FEW_HELD_OUT:
        because = say(
            "Loss on {rows} hints at whether the model only memorises; from about {enough} on it could be "
            "relied on.",
            rows=held_out,
            enough=FEW_HELD_OUT,
        )
    return Choice(
        "steps",
        because,
        (
            not_("epoch", say("Cannot be lined up with checkpoints by steps.")),
            not_("no", say("Overfitting would go unseen.")),
        ),
    )


@rule("checkpoints.eval_steps", "eval_steps", "five evaluations per run, at most a fifth of the time")
def eval_steps(s: Situation) -> Choice:
    """About five looks, evenly spaced and ending with the run."""
    total = s.whole("max_steps")
    interval = max(1, math.ceil(total / max(1, looks(s))))
    value = even_interval(total, interval)
    if s.wishes.time_limit_minutes is not None:
        # A limit has time for so many looks and no more.
        value = next((longer for longer in range(interval, 2 * interval) if total % longer == 0), interval)
    if s.word("evaluation_strategy") == "no":
        return Choice(value, say("Not used: nothing is evaluated."))
    return Choice(
        value,
        say(
            "{looks} of about {time} in {steps}.",
            looks=plural(math.ceil(total / value), "evaluation"),
            time=duration(look_seconds(s)),
            steps=plural(total, "step"),
        ),
        (not_(max(1, value // 4), say("Four times the time spent on looking.")),) if value > 4 else (),
    )


@rule(
    "checkpoints.best",
    "load_best_model_at_end",
    "PaddlePaddle/PaddleNLP#10690, #10650; trainer/training_args.py:1080-1090",
)
def best(s: Situation) -> Choice:
    """With goal quality, except with upstream's scripts on one card: there the reload at the end fails."""
    if s.word("evaluation_strategy") == "no":
        return Choice(False, say("Nothing is evaluated, so no checkpoint is known to be the best."))
    if s.whole("num_processes") == 1 and not own_worker(s):
        return Choice(
            False,
            say("On one card the reload of the best checkpoint fails in this version, at the very end."),
            (not_(True, say("Stops with a TypeError after the last step.")),),
        )
    if s.wishes.goal == "quality" and s.word("engine") == "paddlenlp":
        return Choice(
            True,
            say(
                "Goal quality: the run ends with the checkpoint of the lowest loss on {rows}.",
                rows=plural(s.data.dev_rows, "held-out row"),
            ),
            (not_(False, say("Ends with the last checkpoint, which may have learned rows by heart.")),),
        )
    return Choice(
        False,
        say(
            "The schedule ends at zero, so the last state is nearly always the best; ask for goal quality "
            "to check."
        ),
        (not_(True, say("Saving would have to wait for evaluations.")),),
    )


@rule("checkpoints.save_steps", "save_steps", "PaddleNLP 3.0.0b4 trainer/training_args.py:1086; lost work")
def save_steps(s: Situation) -> Choice:
    """Five times in a run and at evaluations, or more often when an interruption would cost too much."""
    pace, total = step_seconds(s), s.whole("max_steps")
    value = s.whole("eval_steps")
    each = size(checkpoint_bytes(s))
    if s.flag("load_best_model_at_end"):
        return Choice(
            value,
            say(
                "With every evaluation, so that the best of them was saved; a checkpoint takes {each}.",
                each=each,
            ),
            (
                not_(
                    max(1, value // 2),
                    say("The engine wants a multiple of eval_steps ({steps}).", steps=value),
                ),
            )
            if value > 1
            else (),
        )
    if value > math.ceil(total / LOOKS):
        value = even_interval(value, max(1, math.ceil(total / LOOKS)))
    if value * pace > LOST_SECONDS and s.word("method") != "full":
        value = even_interval(value, max(1, int(LOST_SECONDS / pace)))
    return Choice(
        value,
        say(
            "An interruption costs at most {time}; a checkpoint takes {each}.",
            time=duration(value * pace),
            each=each,
        ),
        (not_(total, say("An interruption would cost up to {time}.", time=duration(total * pace))),),
    )


@rule("checkpoints.keep", "save_total_limit", "size per weight: PaddleNLP llm/docs/unified_checkpoint.md")
def keep(s: Situation) -> Choice:
    """As many as the disk holds, at most three."""
    each = checkpoint_bytes(s)
    if s.hardware.origin == "typed" and not s.hardware.disk_free_bytes:
        value, disk = (1 if s.word("method") == "full" else MOST_KEPT), say("an unknown disk")
    else:
        room = int(DISK_SHARE * s.hardware.disk_free_bytes // max(1, each))
        value = min(MOST_KEPT, max(1, room))
        disk = say("{free} of free disk", free=size(s.hardware.disk_free_bytes))
    kept = plural(value, "checkpoint")
    if value > 1:
        because = say(
            "{kept} of {each} on {disk}: the newest to resume from, older ones in case it is damaged.",
            kept=kept,
            each=size(each),
            disk=disk,
        )
    else:
        because = say(
            "{kept} of {each} on {disk}: the newest to resume from.", kept=kept, each=size(each), disk=disk
        )
    return Choice(
        value, because, (not_(value + 7, say("Would take {total}.", total=size((value + 7) * each))),)
    )


@rule(
    "checkpoints.unified",
    "unified_checkpoint",
    f"{MEASURED_CPU}; PaddleNLP 3.0.0b4 trainer/training_args.py:1806, unified_checkpoint.py:107-114",
)
def unified(s: Situation) -> Choice:
    """The layout that other process counts can load, except where the engine does not support it."""
    method = methods()[s.word("method")]
    if s.word("engine") == "paddleformers":
        return Choice(
            False,
            say("PaddleFormers writes its own layout, flex_checkpoint, which other process counts load too."),
            (not_(True, say("Ignored beside the default save_checkpoint_format.")),),
        )
    if s.flag("enable_auto_parallel"):
        return Choice(False, say("Auto-parallel saves in a layout of its own."))
    if s.word("sharding") == "stage3":
        return Choice(
            False,
            say("The engine switches it off under stage3."),
            (not_(True, say("Switched off without a word.")),),
        )
    if not method.unified:
        return Choice(
            False,
            say("It cannot hold what {method} trains.", method=method.title),
            (not_(True, say("Fails at the first checkpoint.")),),
        )
    return Choice(
        True,
        say(
            "A checkpoint of {processes} can be resumed by another number of them.",
            processes=plural(s.whole("num_processes"), "process", "processes"),
        ),
        (not_(False, say("Tied to the number of processes that wrote it.")),),
    )


@rule(
    "checkpoints.async",
    "async_save",
    "PaddleNLP llm/docs/unified_checkpoint.md; trainer/training_args.py:1825",
)
def async_save(s: Situation) -> Choice:
    """Off: a checkpoint in flight is one more way to lose it."""
    each = checkpoint_bytes(s)
    return Choice(
        False,
        say("{each} are written at once and checked before training goes on.", each=size(each)),
        (
            not_(
                True,
                say(
                    "Needs {each} of /dev/shm as well, and an interruption can leave half a checkpoint.",
                    each=size(each),
                ),
            ),
        ),
    )


RULES = (logging, evaluation, eval_steps, best, save_steps, keep, unified, async_save)
"""They read the number of steps and how long one takes."""
