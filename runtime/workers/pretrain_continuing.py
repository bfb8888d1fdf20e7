"""The work of stage `generate` after continued pretraining.

The base model and the result read the same held-out text and go on with the same beginnings, one model in
memory at a time. The result's loss must be the one that training itself ended with: what was handed out is
then what was trained, judged on text that neither has learned.
"""

from __future__ import annotations

import gc
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from runtime.workers import answering, pretrain_perplexity
from runtime.workers.answering_place import where_it_fits
from runtime.workers.paddle_load import load_paddle_model
from runtime.workers.pretrain_dataset import DEV, TRAIN, Blocks, open_index
from runtime.workers.pretrain_perplexity import Surprise
from runtime.workers.prompting import end_tokens, load_tokenizer
from runtime.workers.refusal import RefusedError
from runtime.workers.result_load import load_result
from runtime.workers.samples_file import write_samples
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage

BEGINNINGS = 8
"""Texts that are gone on with."""

BEGINNING_TOKENS = 64
"""Tokens of a text that are given; of a short text half of it."""

SAME_LOSS = 1e-3
"""Largest difference in float32 between training's own dev loss and the result's: their batches differ."""

SAME_LOSS_16_BIT = 0.05
"""The same where weights are stored with 16 bits."""


class Beginning(NamedTuple):
    """The tokens that are given, and how the text really goes on."""

    given: list[int]
    rest: str | None


class Went(NamedTuple):
    """What one model did."""

    surprise: Surprise
    continued: answering.Answered


@where_it_fits("generate.perplexity", "generate.answers")
def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Read and go on with both models, write samples.json, prove."""
    folder, limit = Path(spec["data"]), int(spec["max_new_tokens"])
    held_out = folder.joinpath(f"{DEV}.idx").exists()
    name = folder / (DEV if held_out else TRAIN)
    blocks = Blocks(name, int(spec["length"]))
    tokenizer = load_tokenizer(spec["base"])
    beginnings = wished(spec, tokenizer) or of_texts(name, tokenizer, limit)
    ends = end_tokens(tokenizer, spec["base"], spec["model"])
    batches = pretrain_perplexity.measured_blocks(blocks)
    share = (batches, len(beginnings))
    started = time.monotonic()

    def goes(number: int, what: str, model: Any) -> Went:
        done, total = number * sum(share), 2 * sum(share)
        surprise = pretrain_perplexity.read(
            model,
            blocks,
            lambda read: say_done(stage, done + read, total, say("{model} model reads", model=what)),
        )
        room = model.config.max_position_embeddings - max(len(one.given) for one in beginnings)
        finished = 0

        def on_answer() -> None:
            nonlocal finished
            finished += 1
            say_done(stage, done + batches + finished, total, say("{model} model goes on", model=what))

        given = [one.given for one in beginnings]
        return Went(
            surprise,
            answering.answer_all(model, tokenizer, given, ends, max(1, min(limit, room)), stage, on_answer),
        )

    base = goes(0, say("base"), load_paddle_model(spec["base"], spec["dtype"]))
    gc.collect()
    tuned = goes(1, say("tuned"), load_result(spec["model"], spec["base"], spec["dtype"]))
    samples = [
        {
            "prompt": [{"role": "user", "content": tokenizer.decode(one.given, skip_special_tokens=True)}],
            "base": base.continued.texts[row],
            "tuned": tuned.continued.texts[row],
            "base_ended": base.continued.ended[row],
            "tuned_ended": tuned.continued.ended[row],
            "reference": one.rest,
        }
        for row, one in enumerate(beginnings)
    ]
    path = write_samples(Path(spec["stage_folder"]), samples)
    stage.emitter.artifact("samples", path)
    prove_perplexity(spec, base.surprise, tuned.surprise, batches == len(blocks) and held_out, stage)
    prove_continued(tuned.continued, stage)
    seconds = base.continued.seconds + tuned.continued.seconds
    tokens = base.continued.tokens + tuned.continued.tokens
    return {"samples": str(path)}, {
        "generate_seconds": round(time.monotonic() - started, 3),
        "new_tokens": tokens,
        "tokens_per_second": round(tokens / max(seconds, 1e-9), 2),
        "read_tokens": tuned.surprise.tokens,
        "base_perplexity": round(base.surprise.perplexity, 4),
        "tuned_perplexity": round(tuned.surprise.perplexity, 4),
    }


def say_done(stage: Stage, done: int, total: int, message: str) -> None:
    """Report progress. Raises when a stop was requested."""
    stage.check_stop()
    stage.emitter.progress(done, total, "parts", message)


def wished(spec: dict[str, Any], tokenizer: Any) -> list[Beginning]:
    """Return the person's own beginnings as tokens."""
    texts = [text for text in spec.get("beginnings") or () if text.strip()]
    return [Beginning([int(token) for token in tokenizer(text)["input_ids"]], None) for text in texts]


def of_texts(name: Path, tokenizer: Any, limit: int) -> list[Beginning]:
    """Return the beginnings of the first texts in token files, and at most `limit` tokens that follow."""
    index = open_index(name)
    found = []
    for number in range(min(BEGINNINGS, len(index.doc_idx) - 1)):
        tokens = np.concatenate([index[part] for part in range(*index.doc_idx[number : number + 2])]).tolist()
        given = max(1, min(BEGINNING_TOKENS, len(tokens) // 2))
        rest = tokenizer.decode(tokens[given : given + limit], skip_special_tokens=True)
        found.append(Beginning([int(token) for token in tokens[:given]], rest.strip()))
    return found


def prove_perplexity(
    spec: dict[str, Any], base: Surprise, tuned: Surprise, everything: bool, stage: Stage
) -> None:
    """Prove that the result reads the held-out text as well as training said; warn when it reads it worse."""
    said = trained_loss(spec) if everything else None
    exact = spec.get("exact", True) and holds_float32(spec["model"])
    allowed = SAME_LOSS if exact else SAME_LOSS_16_BIT
    apart = 0.0 if said is None else abs(tuned.loss - said)
    finite = bool(np.isfinite([base.loss, tuned.loss]).all())
    compared = (
        ""
        if said is None
        else " " + say("Training itself ended with the same loss, to {apart:.0e}.", apart=apart)
    )
    stage.emitter.proof(
        "generate.perplexity",
        finite and apart <= allowed,
        say(
            "Perplexity of {tokens} held-out tokens: {before:.2f} before and {after:.2f} after.",
            tokens=tuned.tokens,
            before=base.perplexity,
            after=tuned.perplexity,
        )
        + compared,
        base_loss=base.loss,
        tuned_loss=tuned.loss,
        tokens=tuned.tokens,
        apart=apart,
    )
    if not finite:
        raise RefusedError(say("The loss of the held-out text is not a finite number."))
    if said is not None and apart > allowed:
        raise RefusedError(
            say(
                "The result has loss {found:.4f} on the held-out text, and training ended with {said:.4f}.",
                found=tuned.loss,
                said=said,
            ),
            say("What was handed out is not what was trained."),
            say("Resume the run to merge again."),
        )
    if tuned.loss >= base.loss:
        stage.emitter.log(
            say("The held-out text has not become more likely: training gained nothing."), "warning"
        )


def trained_loss(spec: dict[str, Any]) -> float | None:
    """Return the dev loss that training ended with; None when it did not look."""
    path = Path(spec.get("train_result") or "")
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8")).get("figures", {}).get("eval_loss")
    return None if found is None else float(found)


def holds_float32(folder: str) -> bool:
    """Return whether a model's weights are stored with 32 bits."""
    config = json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
    return str(config.get("torch_dtype", config.get("dtype", "float32"))) == "float32"


def prove_continued(answered: answering.Answered, stage: Stage) -> None:
    """Prove that the result goes on with text at all."""
    count, ended = len(answered.texts), sum(answered.ended)
    written = answered.tokens - ended
    stage.emitter.proof(
        "generate.answers",
        written > 0,
        say(
            "The tuned model went on with {count} beginnings for {tokens} tokens, and ended {ended} texts.",
            count=count,
            tokens=written,
            ended=ended,
        ),
        prompts=count,
        empty=sum(not text for text in answered.texts),
        ended=ended,
        tokens=written,
    )
    if not written:
        raise RefusedError(
            say("The tuned model goes on with none of {count} beginnings.", count=count),
            say("It ends every text at once."),
            say("Look at the texts with `steersman data inspect`, or train with a lower learning rate."),
        )
