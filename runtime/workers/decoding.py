"""Decode token by token with a key/value cache, several prompts at once.

PaddleNLP's own `generate` gives wrong text for the short rows of a right-padded batch, without an error,
and fails or guesses when a prompt holds the padding token and no mask is given. Here a batch is always
padded on the left, with an attention mask and with position ids that count from each prompt's first real
token.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import paddle

from runtime.workers.toolkit import part

Logits = np.ndarray
"""float32 [rows, vocabulary]: scores of each row's next token."""


@dataclass
class Answer:
    """New tokens of one prompt, the end token excluded."""

    tokens: list[int] = field(default_factory=list)
    ended: bool = False
    """False when the answer was cut by the limit of new tokens."""
    margins: list[float] = field(default_factory=list)
    """Per step, how far the best token was ahead of the second; a tiny one is a toss-up."""


def left_padded(prompts: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return int64 [rows, longest] token ids, attention mask and position ids.

    Padding is token 0 at position 0; the mask hides it, so any token would do.
    """
    longest = max(len(prompt) for prompt in prompts)
    ids = np.zeros((len(prompts), longest), np.int64)
    mask = np.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = prompt
        mask[row, longest - len(prompt) :] = 1
    return ids, mask, np.maximum(mask.cumsum(axis=1) - 1, 0)


def causal_model(model: Any) -> Any:
    """Return the causal language model inside an adapter's wrapper, or the model itself."""
    pretrained = part("transformers", "PretrainedModel")
    return model if isinstance(model, pretrained) else model.model


class Beginning(NamedTuple):
    """What a prompt meets besides the model: a prefix of virtual tokens, or interventions."""

    cache: Any
    """Keys and values of the prefix; None without one."""
    mask: np.ndarray
    """[rows, virtual tokens + length]."""
    steering: contextlib.AbstractContextManager[None]
    """To be entered around the pass over the prompt."""


def beginning(model: Any, mask: np.ndarray) -> Beginning:
    """Return what the pass over prompts with this mask [rows, length] needs."""
    if hasattr(model, "virtual_tokens"):
        before = np.ones((len(mask), model.virtual_tokens), mask.dtype)
        with paddle.no_grad():
            return Beginning(model.cache(len(mask)), np.hstack([before, mask]), contextlib.nullcontext())
    if hasattr(model, "prompt_places"):
        return Beginning(None, mask, model.steering(model.prompt_places(mask)))
    return Beginning(None, mask, contextlib.nullcontext())


def batch_logits(model: Any, prompts: Sequence[Sequence[int]]) -> paddle.Tensor:
    """Return [rows, longest, vocabulary]: the logits at every position of a left-padded batch."""
    ids, mask, positions = left_padded(prompts)
    begun = beginning(model, mask)
    with paddle.no_grad(), begun.steering:
        return causal_model(model)(
            paddle.to_tensor(ids),
            attention_mask=paddle.to_tensor(begun.mask),
            position_ids=paddle.to_tensor(positions),
            past_key_values=begun.cache,
            return_dict=True,
        ).logits


def all_logits(model: Any, prompt: Sequence[int]) -> np.ndarray:
    """Return [tokens, vocabulary]: the logits at every position of one prompt, at least float32."""
    logits = batch_logits(model, [prompt])[0]
    found: np.ndarray = (logits if logits.dtype == paddle.float64 else logits.astype("float32")).numpy()
    return found


def next_logits(model: Any, prompts: Sequence[Sequence[int]]) -> Generator[Logits, Sequence[int], None]:
    """Yield the next token's logits of every row; `send` the chosen tokens to get the following ones.

    The output head runs on the last position alone: over a whole prompt it would be a fifth of a small
    model's work. A model that steps by itself, such as a static graph, is left to it.
    """
    if hasattr(model, "step_logits"):
        yield from model.step_logits(prompts)
        return
    causal = causal_model(model)
    backbone = getattr(causal, causal.base_model_prefix)
    ids, mask, positions = left_padded(prompts)
    cache, mask, steering = beginning(model, mask)
    while True:
        with paddle.no_grad(), steering:
            output = backbone(
                paddle.to_tensor(ids),
                attention_mask=paddle.to_tensor(mask),
                position_ids=paddle.to_tensor(positions),
                use_cache=True,
                past_key_values=cache,
                return_dict=True,
            )
            logits = causal.lm_head(output.last_hidden_state[:, -1:])[:, 0].astype("float32").numpy()
        cache, steering = output.past_key_values, contextlib.nullcontext()
        chosen = yield logits
        ids = np.asarray(chosen, np.int64)[:, None]
        mask = np.concatenate([mask, np.ones_like(ids)], axis=1)
        positions = positions[:, -1:] + 1


def greedy(
    model: Any,
    prompts: Sequence[Sequence[int]],
    end_tokens: set[int],
    max_new_tokens: int,
    *,
    on_end: Callable[[int], None] = lambda row: None,
    each_step: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """Answer all prompts in one batch, always taking the most likely token, until each meets an end token.

    `on_end(row)` is called when a row has its whole answer; `each_step()` before every step, and may raise.
    """
    answers = [Answer() for _ in prompts]
    running = set(range(len(prompts)))
    steps = next_logits(model, prompts)
    each_step()
    logits = next(steps)
    while True:
        best = logits.argmax(axis=1)
        top_two = np.partition(logits, -2, axis=1)[:, -2:]
        for row in sorted(running):
            answer, token = answers[row], int(best[row])
            answer.margins.append(float(top_two[row, 1] - top_two[row, 0]))
            answer.ended = token in end_tokens
            if not answer.ended:
                answer.tokens.append(token)
            if answer.ended or len(answer.tokens) == max_new_tokens:
                running.discard(row)
                on_end(row)
        if not running:
            return answers
        each_step()
        logits = steps.send([int(token) for token in best])


def sample(logits: np.ndarray, temperature: float, top_p: float, random: np.random.Generator) -> int:
    """Return one token drawn from `logits` [vocabulary]; temperature 0 takes the most likely one.

    With `top_p` below 1 only the most likely tokens that together hold that probability take part.
    """
    if temperature <= 0:
        return int(logits.argmax())
    scaled = logits.astype(np.float64) / temperature
    probabilities = np.exp(scaled - scaled.max())
    probabilities /= probabilities.sum()
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    kept = max(1, int(np.searchsorted(np.cumsum(ranked), min(top_p, 1.0)) + 1))
    ranked = ranked[:kept] / ranked[:kept].sum()
    return int(order[random.choice(len(ranked), p=ranked)])
