"""The work of the stage that answers, after learning preferences: answers as ever, then the held-out rows
weighed.

Rewards during training are those of the live model. Here the files that are handed out are asked how much
likelier they find each answer than the base model does.
"""

from __future__ import annotations

import gc
from typing import Any

from runtime.workers import answering
from runtime.workers.answering_place import where_it_fits
from runtime.workers.paddle_load import load_paddle_model
from runtime.workers.preference_weighing import Held, held_out, likelihoods, weigh
from runtime.workers.prompting import load_tokenizer
from runtime.workers.result_load import load_result
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage

Weights = list[tuple[float, float]]


@where_it_fits("generate.answers", "generate.preferences")
def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Answer, then weigh; return the samples and all figures."""
    outputs, figures = answering.work(spec, stage)
    return outputs, figures | weighed(spec, stage)


def weighed(spec: dict[str, Any], stage: Stage) -> dict[str, float]:
    """Weigh the held-out rows by the base model and by what is handed out; return the figures."""
    tokenizer, dtype = load_tokenizer(spec["base"]), spec.get("dtype", "float32")
    held = held_out(spec, tokenizer)
    if not held:
        stage.emitter.log(say("No row was held out, so preferences on unseen rows are not known."), "warning")
        return {}
    base = weigh(held, likelihoods(load_paddle_model(spec["base"], dtype)), False, stage)
    gc.collect()
    tuned = weigh(held, likelihoods(load_result(spec["model"], spec["base"], dtype)), False, stage)
    moved = [(after[0] - before[0], after[1] - before[1]) for before, after in zip(base, tuned, strict=True)]
    return say_judged(held, moved, stage) if spec["plan_stage"] == "kto" else say_pairs(moved, stage)


def say_pairs(moved: Weights, stage: Stage) -> dict[str, float]:
    """Emit the proof `generate.preferences` for pairs: which answer training made likelier, and by how
    much."""
    right = sum(better > worse for better, worse in moved)
    margin = sum(better - worse for better, worse in moved) / len(moved)
    stage.emitter.proof(
        "generate.preferences",
        True,
        say(
            "In {right} of {pairs} held-out pairs training moved the better answer ahead of the worse "
            "one; it gained {margin:.2f} in log-probability on average, measured on the files handed out.",
            right=right,
            pairs=len(moved),
            margin=margin,
        ),
        pairs=len(moved),
        right=right,
        margin=round(margin, 4),
    )
    return {"preference_accuracy": round(right / len(moved), 4), "preference_margin": warned(margin, stage)}


def say_judged(held: list[Held], moved: Weights, stage: Stage) -> dict[str, float]:
    """Emit the same proof for judged answers: how good and bad ones moved."""
    sides = {
        good: [change for one, (change, _) in zip(held, moved, strict=True) if one.pair.good is good]
        for good in (True, False)
    }
    means = {good: sum(changes) / len(changes) if changes else 0.0 for good, changes in sides.items()}
    margin = means[True] - means[False]
    stage.emitter.proof(
        "generate.preferences",
        True,
        say(
            "Training moved the log-probability of {good} held-out good answers by {up:+.2f} and of {bad} "
            "bad ones by {down:+.2f}, measured on the files handed out.",
            good=len(sides[True]),
            bad=len(sides[False]),
            up=means[True],
            down=means[False],
        ),
        good=len(sides[True]),
        bad=len(sides[False]),
        good_change=round(means[True], 4),
        bad_change=round(means[False], 4),
    )
    return {"preference_margin": warned(margin, stage) if all(sides.values()) else round(margin, 4)}


def warned(margin: float, stage: Stage) -> float:
    """Return the rounded margin; say so when training moved answers the wrong way."""
    if margin <= 0:
        stage.emitter.log(
            say("On held-out rows the better answers did not become likelier than the worse ones."), "warning"
        )
    return round(margin, 4)
