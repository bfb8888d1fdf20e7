"""Prove that a static graph answers like the dynamic model that it was traced from, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from runtime.workers.decoding import Answer, next_logits
from runtime.workers.merge_proof import PROOF_TOKENS, compare_tokens
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage


class Walk(NamedTuple):
    """What a model says to the proof prompts, asked all together in one left-padded batch."""

    answers: list[Answer]
    """Greedy, past end tokens, so that there is more to compare."""
    scores: list[np.ndarray]
    """[rows, vocabulary] at each step."""


def walk(model: Any, prompts: Sequence[Sequence[int]], stage: Stage) -> Walk:
    """Let the model answer, and keep the scores of every step."""
    answers = [Answer() for _ in prompts]
    steps = next_logits(model, prompts)
    scores = [next(steps)]
    while True:
        stage.check_stop()
        top_two = np.partition(scores[-1], -2, axis=1)[:, -2:]
        for answer, row, (second, first) in zip(answers, scores[-1], top_two, strict=True):
            answer.tokens.append(int(row.argmax()))
            answer.margins.append(float(first - second))
        if len(scores) == PROOF_TOKENS:
            return Walk(answers, scores)
        scores.append(steps.send([answer.tokens[-1] for answer in answers]))


def walk_along(model: Any, prompts: Sequence[Sequence[int]], other: Walk, stage: Stage) -> Walk:
    """Return the model's own answers, and its scores along the answers of the other one.

    Where both answers are the same, so is the way, and it is gone once.
    """
    own = walk(model, prompts, stage)
    if [answer.tokens for answer in own.answers] == [answer.tokens for answer in other.answers]:
        return own
    steps = next_logits(model, prompts)
    scores = [next(steps)]
    for chosen in zip(*(answer.tokens[:-1] for answer in other.answers), strict=True):
        stage.check_stop()
        scores.append(steps.send(chosen))
    return Walk(own.answers, scores)


def prove(dynamic: Walk, static: Walk, tolerance: float, shape_noise: float, stage: Stage) -> float:
    """Emit `export.logits` and `export.tokens`; return max |difference| of scores; may refuse."""
    difference = float(
        max(np.abs(ours - theirs).max() for ours, theirs in zip(dynamic.scores, static.scores, strict=True))
    )
    allowed = max(tolerance, 2 * shape_noise)
    close, steps = difference <= allowed, len(dynamic.scores)  # close is False for NaN
    stage.emitter.proof(
        "export.logits",
        close,
        say(
            "The static graph gives the dynamic model's logits to within {difference:.1e} at {steps} steps "
            "of {prompts} prompts ({allowed:.0e} allowed).",
            difference=difference,
            steps=steps,
            prompts=len(dynamic.answers),
            allowed=allowed,
        ),
        max_difference=difference,
        tolerance=allowed,
        noise=shape_noise,
        steps=steps,
        prompts=len(dynamic.answers),
    )
    compared = compare_tokens(dynamic.answers, static.answers)
    stage.emitter.proof(
        "export.tokens",
        compared.differing == 0,
        say(
            "{identical} of {count} greedy answers of the static graph are the dynamic model's over {tokens} "
            "tokens.",
            identical=compared.identical,
            count=sum(compared),
            tokens=PROOF_TOKENS,
        ),
        identical=compared.identical,
        tossups=compared.tossups,
        differing=compared.differing,
        tokens_each=PROOF_TOKENS,
    )
    if not close or compared.differing:
        raise RefusedError(
            say("The static graph does not answer like the model it was made of, so it is not handed out."),
            say(
                "Logits differ by {difference:.2e}; {differing} of {count} answers differ.",
                difference=difference,
                differing=compared.differing,
                count=sum(compared),
            ),
            say("Leave the model as a Hugging Face folder: --target huggingface."),
        )
    return difference
