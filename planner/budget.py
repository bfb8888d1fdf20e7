"""How long a run should be: passes, steps, looks at the held-out rows, and what a time limit leaves for
each."""

from __future__ import annotations

from planner.pace import epoch_seconds, time_range
from planner.situation import Situation

TARGET_STEPS = 100
"""Optimizer steps that a small fine-tune should have at least, so that warm-up and decay have room."""

ROW_VISITS = 800
"""Rows that a small run sees in total, repetitions counted: about 100 steps of 8 rows. 110 rows in 3 to 6
passes already change a 135M model for good (measured on the demo)."""

MOST_EPOCHS = 10
USUAL_EPOCHS = 3

ONE_PASS_STAGES = ("dpo", "kto", "orpo", "simpo", "reward")

PREFERENCE_EPOCHS = 1
"""Passes over preferences (PaddleNLP 3.0.0b4 llm/config/*/dpo_argument.json, rm_flashmask_argument.json:
num_train_epochs 1; reward models overfit in a second pass: arXiv:2203.02155, appendix C.2)."""

LOOKS = 5
"""Evaluations in a run, if there is time for them."""

LOOKING_SHARE = 0.2
"""Most time that evaluations may take, as a share of the steps' time or of the time limit."""

EVAL_COST = 1 / 3
"""A forward pass alone, relative to a training step."""

START_SECONDS = 18.0
"""Launcher, imports, process group, tokenised rows: a tiny model's train stage takes 20 s beside its
steps."""

LOAD_BYTES_PER_SECOND = 300 * 1024**2
"""Float32 weights read, converted and moved per second; an estimate."""


GPU_LOAD_BYTES_PER_SECOND = 1024**3
"""16-bit weights read from a local disk and moved to a device per second; an estimate."""


def wanted_epochs(s: Situation) -> int:
    """Return passes over the data if time were no matter; a pin wins."""
    pinned = s.pinned_whole("num_train_epochs")
    if pinned:
        return pinned
    rows = s.data.train_rows
    if s.wishes.stage == "pretrain":
        return 1
    if s.wishes.stage in ONE_PASS_STAGES:
        return PREFERENCE_EPOCHS
    if rows >= 50_000:
        return 1
    if rows >= 10_000:
        return 2
    return min(MOST_EPOCHS, max(USUAL_EPOCHS, round(ROW_VISITS / rows)))


def start_seconds(s: Situation) -> float:
    """Return seconds before the first step: the launcher, imports, loading the model."""
    if s.on_gpu:
        return START_SECONDS + s.model.parameters * 2 / GPU_LOAD_BYTES_PER_SECOND
    return START_SECONDS + s.model.parameters * 4 / LOAD_BYTES_PER_SECOND


def limit_seconds(s: Situation) -> float | None:
    """Return the seconds to plan for within the person's time limit, less the start; None without one.

    The limit should hold even at the upper end of the forecast's range, which one run in ten exceeds.
    """
    limit = s.wishes.time_limit_minutes
    return None if limit is None else max(1.0, limit * 60 / time_range(s)[1] - start_seconds(s))


def look_seconds(s: Situation) -> float:
    """Return seconds of one evaluation."""
    return epoch_seconds(s) * s.data.dev_rows / s.data.train_rows * EVAL_COST


def looks(s: Situation) -> int:
    """Return how many evaluations there should be; 0 when there is nothing to look at, or no time for it."""
    if not s.data.dev_rows:
        return 0
    limit = limit_seconds(s)
    whole = wanted_epochs(s) * epoch_seconds(s)
    room = LOOKING_SHARE * min(whole, limit or whole) / look_seconds(s)
    return min(LOOKS, int(room) if limit else max(1, int(room)))


def time_for_steps(s: Situation) -> float | None:
    """Return seconds that training steps may take, if the person set a limit."""
    limit = limit_seconds(s)
    if limit is None:
        return None
    looking = 0.0 if s.pin("evaluation_strategy") == "no" else looks(s) * look_seconds(s)
    return max(1.0, limit - looking)
