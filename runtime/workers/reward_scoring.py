"""The work of the last test of a reward model: held-out pairs, scored by a fresh head and by the files
handed out."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

from runtime.workers import reward_folder, reward_model
from runtime.workers.answering_place import where_it_fits
from runtime.workers.preference_weighing import Held, held_out, scores_of, weigh
from runtime.workers.prompting import load_tokenizer
from runtime.workers.refusal import RefusedError
from runtime.workers.samples_file import write_samples
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage

SHOWN = 8
"""Pairs whose scores stand in the report."""

Scores = list[tuple[float, float]]


@where_it_fits("generate.scores")
def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Score the held-out pairs before and after, write samples.json, say how many are told apart."""
    tokenizer = load_tokenizer(spec["base"])
    held = held_out(spec, tokenizer)
    which = say("held-out pairs")
    if not held:
        which = say("training pairs")
        stage.emitter.log(
            say("No pair was held out: the pairs that are scored were trained on, which says little."),
            "warning",
        )
        held = held_out(spec, tokenizer, "train")
    stage.emitter.progress(0, 2, "parts", say("an untrained head scores"))
    before = scored(reward_model.with_fresh_head(spec["base"], int(spec["seed"]), spec["dtype"]), held, stage)
    gc.collect()
    stage.emitter.progress(1, 2, "parts", say("the reward model scores"))
    after = scored(reward_folder.load(spec["model"], spec["dtype"]), held, stage)
    stage.emitter.progress(2, 2, "parts", say("scored"))
    path = write_samples(
        Path(spec["stage_folder"]),
        [sample(*one) for one in list(zip(held, before, after, strict=True))[:SHOWN]],
    )
    stage.emitter.artifact("samples", path)
    return {"samples": str(path)}, prove(before, after, which, stage)


def scored(model: Any, held: list[Held], stage: Stage) -> Scores:
    """Return the scores of the better and the worse answer of every pair."""
    model.eval()
    return weigh(held, scores_of(model), True, stage)


def share_right(scores: Scores) -> float:
    """Return the share of pairs whose better answer is scored higher."""
    return sum(better > worse for better, worse in scores) / len(scores)


def margin(scores: Scores) -> float:
    """Return by how much better answers are scored higher, on average."""
    return sum(better - worse for better, worse in scores) / len(scores)


def prove(before: Scores, after: Scores, which: str, stage: Stage) -> dict[str, Any]:
    """Emit the proof `generate.scores` and return its figures. It holds whenever every score is a number.

    A model that learned nothing is no broken one: that is said, with the figures, and not hidden.
    """
    finite = all(abs(score) < float("inf") for pair in after for score in pair)
    figures = {
        "accuracy_before": round(share_right(before), 4),
        "accuracy_after": round(share_right(after), 4),
        "margin_before": round(margin(before), 4),
        "margin_after": round(margin(after), 4),
    }
    stage.emitter.proof(
        "generate.scores",
        finite,
        say(
            "Of {pairs} {which} the reward model scores the better answer higher in {after:.0%}; an "
            "untrained head does in {before:.0%}. The better one is ahead by {margin:.2f} on average.",
            pairs=len(after),
            which=which,
            after=figures["accuracy_after"],
            before=figures["accuracy_before"],
            margin=figures["margin_after"],
        ),
        pairs=len(after),
        **figures,
    )
    if not finite:
        raise RefusedError(
            say("The reward model gives scores that are no numbers."),
            remedy=say("Train with a lower learning rate."),
        )
    if share_right(after) <= max(0.5, share_right(before)):
        stage.emitter.log(
            say("The reward model tells pairs apart no better than chance or an untrained head."),
            "warning",
        )
    return figures


def sample(held: Held, before: tuple[float, float], after: tuple[float, float]) -> dict[str, Any]:
    """Return a pair with its scores, in the shape of the answers of other stages."""
    better, worse = held.row["response"]
    shown = [
        say("better {better:.2f}, worse {worse:.2f}", better=scores[0], worse=scores[1])
        for scores in (before, after)
    ]
    question = say(
        "{question} [better: {better}] [worse: {worse}]",
        question=held.row["src"][-1],
        better=better,
        worse=worse,
    )
    return {"prompt": question, "base": shown[0], "tuned": shown[1], "reference": None}
