"""The work of stage `generate`.

Both models answer greedily and in batches, through the template and tokenizer that training used, one
model in memory at a time. An answer that was cut by the limit of new tokens is marked as such.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from runtime.workers.answering_place import where_it_fits
from runtime.workers.decoding import Answer, greedy
from runtime.workers.hf_load import UnloadableModelError
from runtime.workers.paddle_load import load_paddle_model
from runtime.workers.prompting import decode_answer, encode_prompt, end_tokens, load_tokenizer
from runtime.workers.refusal import RefusedError
from runtime.workers.result_load import load_result
from runtime.workers.samples_file import write_samples
from runtime.workers.scores import score
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage

BATCH_ROWS = 16
"""Prompts answered together. Most of a step is reading the weights, at one cost for one row or many."""


NAMES = {"bleu4": "BLEU-4", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}


class Answered(NamedTuple):
    """One model's answers, in the order of the prompts."""

    texts: list[str]
    ended: list[bool]
    tokens: int
    seconds: float


def batches(prompts: list[list[int]]) -> list[list[int]]:
    """Return the prompts' numbers in batches of similar length, so that little of a batch is padding."""
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    return [order[start : start + BATCH_ROWS] for start in range(0, len(order), BATCH_ROWS)]


def answer_all(
    model: Any,
    tokenizer: Any,
    prompts: list[list[int]],
    ends: set[int],
    max_new_tokens: int,
    stage: Stage,
    on_answer: Callable[[], None],
) -> Answered:
    """Answer every prompt; `on_answer()` is called as each one is complete."""
    answers: list[Answer] = [Answer() for _ in prompts]
    started = time.monotonic()
    for numbers in batches(prompts):
        found = greedy(
            model,
            [prompts[number] for number in numbers],
            ends,
            max_new_tokens,
            on_end=lambda row: on_answer(),
            each_step=stage.check_stop,
        )
        for number, answer in zip(numbers, found, strict=True):
            answers[number] = answer
    return Answered(
        [decode(tokenizer, answer.tokens) for answer in answers],
        [answer.ended for answer in answers],
        sum(len(answer.tokens) + answer.ended for answer in answers),
        time.monotonic() - started,
    )


def decode(tokenizer: Any, tokens: list[int]) -> str:
    """Return an answer's text without the space around it."""
    return decode_answer(tokenizer, tokens).strip()


def check_lengths(prompts: list[list[int]], max_new_tokens: int, positions: int) -> None:
    """Raise `RefusedError` when a prompt and its answer would leave the positions that the model knows."""
    if max_new_tokens < 1:
        raise RefusedError(
            say("max_new_tokens is {max_new_tokens}; it must be at least 1.", max_new_tokens=max_new_tokens)
        )
    for number, prompt in enumerate(prompts, start=1):
        if len(prompt) + max_new_tokens > positions:
            raise RefusedError(
                say(
                    "Prompt {number} has {tokens} tokens; with {max_new_tokens} new ones that is more than "
                    "the {positions} positions of the model.",
                    number=number,
                    tokens=len(prompt),
                    max_new_tokens=max_new_tokens,
                    positions=positions,
                ),
                remedy=say("Shorten the prompt or lower max_new_tokens."),
            )


def prove(samples: list[dict[str, Any]], stage: Stage) -> None:
    """Emit the proof `generate.answers`; raises `RefusedError` when an answer is empty or none ends."""
    count = len(samples)
    empty = sum(not sample["tuned"] for sample in samples)
    ended = sum(sample["tuned_ended"] for sample in samples)
    differing = sum(sample["tuned"] != sample["base"] for sample in samples)
    cut = say(" {cut} were cut at the limit of new tokens.", cut=count - ended) if ended < count else ""
    stage.emitter.proof(
        "generate.answers",
        empty == 0 and ended > 0,
        say(
            "The tuned model answered {answered} of {count} prompts, ended {ended} answers by itself, and "
            "answered {differing} differently from the base model.{cut}",
            answered=count - empty,
            count=count,
            ended=ended,
            differing=differing,
            cut=cut,
        ),
        prompts=count,
        empty=empty,
        ended=ended,
        ended_share=round(ended / count, 4),
        base_ended=sum(sample["base_ended"] for sample in samples),
        differing=differing,
    )
    if differing == 0:
        stage.emitter.log(say("The tuned model gives the base model's answer to every prompt."), "warning")
    if empty:
        raise RefusedError(
            say(
                "The tuned model gives an empty answer to {empty} of {count} prompts.",
                empty=empty,
                count=count,
            ),
            say("It ends its answer at once, as it was taught by empty or wrongly cut training answers."),
            say("Look at the rows with `steersman data inspect`, or train with a lower learning rate."),
        )
    if not ended:
        raise RefusedError(
            say("The tuned model ends none of its {count} answers.", count=count),
            say(
                "Either the limit of new tokens is too small, or it did not learn the token that ends an "
                "answer."
            ),
            say("Raise max_new_tokens, or train longer."),
        )


@where_it_fits("generate.answers")
def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Answer with both models, write samples.json, prove."""
    conversations, limit = spec["prompts"], int(spec["max_new_tokens"])
    if not conversations:
        raise RefusedError(
            say("There is no prompt to answer."), remedy=say("Give at least one held-out prompt.")
        )
    dtype = spec["dtype"]
    tokenizer = load_tokenizer(spec["base"])
    prompts = [encode_prompt(tokenizer, messages) for messages in conversations]
    ends = end_tokens(tokenizer, spec["base"], spec["model"])
    done, total = 0, 2 * len(prompts)

    def answered_by(which: str, model: Any) -> Answered:
        check_lengths(prompts, limit, model.config.max_position_embeddings)
        stage.emitter.progress(
            done,
            total,
            "prompts",
            say("base model answers") if which == "base" else say("tuned model answers"),
        )

        def on_answer() -> None:
            nonlocal done
            done += 1
            stage.emitter.progress(
                done,
                total,
                "prompts",
                say("base model answers") if which == "base" else say("tuned model answers"),
            )

        return answer_all(model, tokenizer, prompts, ends, limit, stage, on_answer)

    base = answered_by("base", load_paddle_model(spec["base"], dtype))
    gc.collect()
    stage.check_stop()
    try:
        tuned = answered_by("tuned", load_result(spec["model"], spec["base"], dtype))
    except UnloadableModelError as error:
        raise RefusedError(
            say("The merged model does not load."), str(error), say("Resume the run to merge again.")
        ) from error
    samples = [
        {"prompt": conversation, "base": old, "tuned": new, "base_ended": old_ended, "tuned_ended": new_ended}
        for conversation, old, new, old_ended, new_ended in zip(
            conversations, base.texts, tuned.texts, base.ended, tuned.ended, strict=True
        )
    ]
    references = spec.get("references") or [None] * len(samples)
    for sample, reference in zip(samples, references, strict=True):
        sample["reference"] = reference
    path = write_samples(Path(spec["stage_folder"]), samples)
    stage.emitter.artifact("samples", path)
    prove(samples, stage)
    scores = compare_with_references(samples, stage)
    seconds = base.seconds + tuned.seconds
    return {"samples": str(path)}, {
        "generate_seconds": round(seconds, 3),
        "new_tokens": base.tokens + tuned.tokens,
        "tokens_per_second": round((base.tokens + tuned.tokens) / seconds, 2),
        **scores,
    }


def compare_with_references(samples: list[dict[str, Any]], stage: Stage) -> dict[str, float]:
    """Return how like their references the answers of both models are; nothing without references."""
    known = [sample for sample in samples if sample["reference"] is not None]
    if not known:
        return {}
    wanted = [sample["reference"] for sample in known]
    scores = {which: score([sample[which] for sample in known], wanted) for which in ("base", "tuned")}
    shown = ", ".join(
        say(
            "{name} {before:.3f} before and {after:.3f} after",
            name=NAMES[name],
            before=scores["base"][name],
            after=after,
        )
        for name, after in scores["tuned"].items()
    )
    stage.emitter.log(
        say(
            "Likeness to {count} held-out answers, by words and CJK characters, from 0 to 1: {shown}.",
            count=len(known),
            shown=shown,
        )
    )
    return {
        f"{which}_{name}": round(value, 6) for which, found in scores.items() for name, value in found.items()
    }
