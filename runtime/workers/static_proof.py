"""Prove that a static graph answers like the dynamic model that it was traced from, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from runtime.workers.decoding import Answer, greedy, next_logits
from runtime.workers.merge_proof import PROOF_TOKENS, compare_tokens
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage


class Walk(NamedTuple):
    """What a model says to the proof prompts, asked all together in one left-padded batch."""

    answers: list[Answer]
    """Greedy, past end tokens, so that there is more to compare."""
    scores: list[np.ndarray]
    """[rows, vocabulary] at each step, along the answers of the dynamic model."""


def scores_along(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Answer], stage: Stage
) -> list[np.ndarray]:
    """Return the scores of every step when the model is given these answers token by token."""
    steps = next_logits(model, prompts)
    found = [next(steps)]
    for chosen in zip(*(answer.tokens[:-1] for answer in answers), strict=True):
        stage.check_stop()
        found.append(steps.send(chosen))
    return found


def walk(
    model: Any, prompts: Sequence[Sequence[int]], stage: Stage, along: Sequence[Answer] | None = None
) -> Walk:
    """Let the model answer by itself, and then along the answers of another one."""
    answers = greedy(model, prompts, set(), PROOF_TOKENS, each_step=stage.check_stop)
    return Walk(answers, scores_along(model, prompts, along or answers, stage))


def prove(dynamic: Walk, static: Walk, tolerance: float, stage: Stage) -> float:
    """Emit `export.logits` and `export.tokens`; return max |difference| of scores; may refuse."""
    difference = float(
        max(np.abs(ours - theirs).max() for ours, theirs in zip(dynamic.scores, static.scores, strict=True))
    )
    close, steps = difference <= tolerance, len(dynamic.scores)  # close is False for NaN
    stage.emitter.proof(
        "export.logits",
        close,
        say(
            "The static graph gives the dynamic model's logits to within {difference:.1e} at {steps} steps "
            "of {prompts} prompts ({allowed:.0e} allowed).",
            difference=difference,
            steps=steps,
            prompts=len(dynamic.answers),
            allowed=tolerance,
        ),
        max_difference=difference,
        tolerance=tolerance,
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
