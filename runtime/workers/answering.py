"""The work of stage `generate`.

Both models answer greedily and in batches, through the template and tokenizer that training used, one
model in memory at a time. An answer that was cut by the limit of new tokens is marked as such.
"""

from __future__ import annotations

import gc
import json
import sys
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


LEAST_ROOM = 16
"""Fewest new tokens that make an answer: about a short sentence."""

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


def positions_of(folder: str | Path) -> int:
    """Return how many tokens a model can see, prompt and answer together."""
    config = json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
    return int(config.get("max_position_embeddings") or sys.maxsize)


def fitting(prompts: list[list[int]], limit: int, positions: int, stage: Stage) -> tuple[list[int], int]:
    """Return the numbers of the prompts that leave room for an answer, and the limit of new tokens for all.

    Long conversations must not end a run whose training is done: the limit gives way first, then prompts.
    Raises `RefusedError` when none has room.
    """
    if limit < 1:
        raise RefusedError(
            say("max_new_tokens is {max_new_tokens}; it must be at least 1.", max_new_tokens=limit)
        )
    rooms = [positions - len(prompt) for prompt in prompts]
    kept = [row for row, room in enumerate(rooms) if room >= min(limit, LEAST_ROOM)]
    if not kept:
        raise RefusedError(
            say(
                "The shortest prompt has {tokens} tokens, which leaves no room for an answer in the "
                "{positions} positions of the model.",
                tokens=min(map(len, prompts)),
                positions=positions,
            ),
            remedy=say("Give shorter prompts with test_prompts."),
        )
    if len(kept) < len(prompts):
        left_out = say(
            "{count} of {all} prompts are not asked: they leave no room for an answer in the {positions} "
            "positions of the model.",
            count=len(prompts) - len(kept),
            all=len(prompts),
            positions=positions,
        )
        stage.emitter.log(left_out, "warning")
    room = min(rooms[row] for row in kept)
    if room < limit:
        stage.emitter.log(
            say(
                "Answers may have {room} tokens instead of {limit}: more does not fit behind the longest "
                "prompt.",
                room=room,
                limit=limit,
            ),
            "warning",
        )
    return kept, min(limit, room)


def prove(samples: list[dict[str, Any]], stage: Stage, endless: bool = False) -> None:
    """Emit the proof `generate.answers`; raises `RefusedError` when an answer is empty or none ends.

    `endless` says that answers as long as those of the training rows cannot end within the limit.
    """
    count = len(samples)
    empty = sum(not sample["tuned"] for sample in samples)
    ended = sum(sample["tuned_ended"] for sample in samples)
    differing = sum(sample["tuned"] != sample["base"] for sample in samples)
    cut = say(" The others were cut at the limit of new tokens.") if ended < count else ""
    stage.emitter.proof(
        "generate.answers",
        empty == 0 and (ended > 0 or endless),
        say(
            "The tuned model answered {answered} of {count} prompts: {differing} of {count} differently from "
            "the base model, {ended} of {count} to the end.{cut}",
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
    if not ended and not endless:
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
    kept, limit = fitting(prompts, limit, positions_of(spec["base"]), stage)
    prompts, conversations = [prompts[row] for row in kept], [conversations[row] for row in kept]
    ends = end_tokens(tokenizer, spec["base"], spec["model"])
    done, total = 0, 2 * len(prompts)

    def answered_by(which: str, model: Any) -> Answered:
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
    references = spec.get("references")
    for sample, row in zip(samples, kept, strict=True):
        sample["reference"] = references[row] if references else None
    path = write_samples(Path(spec["stage_folder"]), samples)
    stage.emitter.artifact("samples", path)
    prove(samples, stage, endless=limit < float(spec.get("usual_answer_tokens") or 0))
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
