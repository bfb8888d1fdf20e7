"""Prove that a merged model's files, loaded back, answer like the model that they were written from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from runtime.workers.decoding import Answer, all_logits, greedy
from runtime.workers.hf_load import UnloadableModelError
from runtime.workers.prompting import encode_prompt
from runtime.workers.proof_precision import noise
from runtime.workers.refusal import RefusedError
from runtime.workers.result_load import load_result
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage

PROOF_TOKENS = 24
"""Greedy tokens that are compared per prompt."""

TOSSUP_MARGIN = 5e-4
"""Two tokens with logits closer than this are equally likely: twice float32's noise (`proof_precision`)."""

PROOF_TEXTS = (
    "The capital of France is",
    "def fibonacci(n):\n    ",
    "1, 2, 3, 5, 8, 13,",
    "Once upon a time there was a ship whose steersman",
)
PROOF_CHATS: tuple[list[dict[str, str]], ...] = (
    [{"role": "user", "content": "Who are you?"}],
    [
        {"role": "user", "content": "Name a colour."},
        {"role": "assistant", "content": "Blue."},
        {"role": "user", "content": "Name another one."},
    ],
)


class Behaviour(NamedTuple):
    """What a model says to the proof prompts."""

    logits: list[np.ndarray]
    answers: list[Answer]
    noise: float
    """How much these logits differ by the shape of a batch alone; 0 in float64."""


class TokenComparison(NamedTuple):
    """How many answers agree token by token."""

    identical: int
    tossups: int
    """Answers that part at a step where the two best tokens were as good as equal."""
    differing: int


def proof_prompts(tokenizer: Any) -> list[list[int]]:
    """Return the fixed prompts as tokens: plain texts, and chats if the tokenizer has a template."""
    plain = [[int(token) for token in tokenizer(text)["input_ids"]] for text in PROOF_TEXTS]
    chats = PROOF_CHATS if tokenizer.chat_template is not None else ()
    return plain + [encode_prompt(tokenizer, chat) for chat in chats]


def prompt_logits(model: Any, prompts: Sequence[Sequence[int]], stage: Stage) -> list[np.ndarray]:
    """Return the logits at every position of every prompt."""
    logits = []
    for prompt in prompts:
        stage.check_stop()
        logits.append(all_logits(model, prompt))
    return logits


def observe(
    model: Any, prompts: Sequence[Sequence[int]], stage: Stage, dtype: str, double: bool
) -> Behaviour:
    """Return the model's greedy answers and its logits; with `double` the model is float64 afterwards.

    Answers run past end tokens, so that there is more to compare. They are decoded in `dtype`.
    """
    model.to(dtype=dtype)
    answers = greedy(model, prompts, set(), PROOF_TOKENS, each_step=stage.check_stop)
    if double:
        model.to(dtype="float64")
    logits = prompt_logits(model, prompts, stage)
    return Behaviour(logits, answers, 0.0 if double else noise(model, prompts, logits))


def largest_difference(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """Return max |one - other| over all prompts, positions and tokens; NaN when either holds one."""
    return float(np.max([np.abs(left - right).max() for left, right in zip(one, other, strict=True)]))


def compare_tokens(reference: list[Answer], merged: list[Answer]) -> TokenComparison:
    """Compare greedy answers; where the reference itself was undecided, either token is right."""
    identical = tossups = differing = 0
    for ours, theirs in zip(reference, merged, strict=True):
        if ours.tokens == theirs.tokens:
            identical += 1
            continue
        pairs = zip(ours.tokens, theirs.tokens, strict=True)
        parting = next(step for step, (our, their) in enumerate(pairs) if our != their)
        if ours.margins[parting] <= TOSSUP_MARGIN:
            tossups += 1
        else:
            differing += 1
    return TokenComparison(identical, tossups, differing)


def prove_logits(
    difference: float, tolerance: float, noise: float, prompts: list[list[int]], stage: Stage
) -> bool:
    """Emit the proof `merge.logits` and return whether it holds.

    Where the logits had to be computed in less than float64, twice their noise is allowed if that is more.
    """
    allowed = max(tolerance, 2 * noise)
    close = difference <= allowed  # False for NaN
    why = (
        say(", as equal weights differ by {noise:.1e} with the shape of a batch", noise=noise)
        if allowed > tolerance
        else ""
    )
    positions = sum(len(prompt) for prompt in prompts)
    stage.emitter.proof(
        "merge.logits",
        close,
        say(
            "The files, loaded afresh, give the logits of the trained model to within {difference:.1e} at "
            "{positions} positions of {prompts} prompts ({allowed:.0e} allowed{why}).",
            difference=difference,
            positions=positions,
            prompts=len(prompts),
            allowed=allowed,
            why=why,
        ),
        max_difference=difference,
        tolerance=allowed,
        precision="float32" if noise else "float64",
        prompts=len(prompts),
        positions=positions,
    )
    return close


def prove_tokens(compared: TokenComparison, stage: Stage) -> bool:
    """Emit the proof `merge.tokens` and return whether it holds."""
    count = sum(compared)
    tossups = (
        say("; {tossups} part where two tokens were equally likely", tossups=compared.tossups)
        if compared.tossups
        else ""
    )
    stage.emitter.proof(
        "merge.tokens",
        compared.differing == 0,
        say(
            "{identical} of {count} greedy answers are identical over {tokens} tokens{tossups}.",
            identical=compared.identical,
            count=count,
            tokens=PROOF_TOKENS,
            tossups=tossups,
        ),
        identical=compared.identical,
        tossups=compared.tossups,
        differing=compared.differing,
        tokens_each=PROOF_TOKENS,
    )
    return compared.differing == 0


def prove(
    folder: Path,
    reference: Behaviour,
    prompts: list[list[int]],
    tolerance: float,
    stage: Stage,
    dtype: str,
    double: bool,
    base: str | None = None,
) -> float:
    """Load `folder` into a fresh model, compare with `reference`, return max |difference| of logits.

    `base` is the model that an adapter which cannot be merged stands beside. Raises `RefusedError` when they
    differ. Both proofs are emitted either way.
    """
    try:
        merged = observe(load_result(folder, base or "", dtype), prompts, stage, dtype, double)
    except UnloadableModelError as error:
        raise RefusedError(say("The merged folder does not load back."), str(error)) from error
    difference = largest_difference(reference.logits, merged.logits)
    compared = compare_tokens(reference.answers, merged.answers)
    close = prove_logits(difference, tolerance, reference.noise, prompts, stage)
    alike = prove_tokens(compared, stage)
    if not (close and alike):
        raise RefusedError(
            say("The merged model does not answer like the trained one in memory, so it is not handed out."),
            say(
                "Logits differ by {difference:.2e}; {differing} of {prompts} answers differ.",
                difference=difference,
                differing=compared.differing,
                prompts=len(prompts),
            ),
            say(
                "Resume the run to merge again; if that fails too, the adapter or the base model is damaged."
            ),
        )
    return difference
