"""The work of stage `generate` after an embedding fine-tune."""

from __future__ import annotations

import gc
import json
import time
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from runtime.workers import embedding_arguments, embedding_dataset
from runtime.workers.answering_place import where_it_fits
from runtime.workers.embedding_dataset import Encoder, Example
from runtime.workers.embedding_trainer import look
from runtime.workers.paddle_load import load_paddle_model
from runtime.workers.pretrain_continuing import holds_float32, say_done, trained_loss
from runtime.workers.prompting import load_tokenizer
from runtime.workers.refusal import RefusedError
from runtime.workers.result_load import load_result
from runtime.workers.samples_file import write_samples
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage

SAMPLES = 8
SAME_LOSS = 2e-2
"""Largest difference in float32 between the dev loss at the end of training and that of the result: vectors
that differ by 1e-5 differ by 1e-3 once divided by a temperature of 0.02, and losses add such differences."""

SAME_LOSS_16_BIT = 0.5
"""The same where weights are stored with 16 bits."""


@where_it_fits("generate.embeddings")
def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Search with both models, write samples.json, prove."""
    started = time.monotonic()
    config = json.loads(Path(spec["config"]).read_text(encoding="utf-8"))
    fields = embedding_arguments.EmbeddingArgument.__dataclass_fields__
    settings = embedding_arguments.EmbeddingArgument(**{key: config[key] for key in fields if key in config})
    tokenizer = load_tokenizer(spec["base"])
    encoder = Encoder(tokenizer, settings)
    dev = Path(spec["data"], "dev.json")
    held_out = dev.exists() and dev.stat().st_size > 0
    file = dev if held_out else Path(spec["data"], "train.json")
    examples = embedding_dataset.load(file, encoder).dataset.examples
    texts = passages_of(embedding_dataset.read_rows(file), settings.group_size)
    total = 2 * sum(1 + len(example.passages) for example in examples)

    def searched(number: int, what: str, model: Any) -> Any:
        words = say("{model} model searches", model=what)
        before = number * total // 2
        return look(
            model,
            examples,
            settings.embedding_temperature,
            lambda done: say_done(stage, before + done, total, words),
        )

    base = searched(0, say("base"), load_paddle_model(spec["base"], spec["dtype"]))
    gc.collect()
    tuned = searched(1, say("tuned"), load_result(spec["model"], spec["base"], spec["dtype"]))
    path = write_samples(Path(spec["stage_folder"]), samples(examples, texts, tokenizer, base, tuned))
    stage.emitter.artifact("samples", path)
    same_tokens(spec["model"], examples, encoder, file)
    prove(spec, base, tuned, len(examples), held_out, stage)
    return {"samples": str(path)}, {
        "generate_seconds": round(time.monotonic() - started, 3),
        "queries": len(examples),
        "base_recall": round(base.recall, 4),
        "tuned_recall": round(tuned.recall, 4),
        "base_margin": round(base.margin, 4),
        "tuned_margin": round(tuned.margin, 4),
    }


def passages_of(rows: list[dict[str, Any]], group_size: int) -> list[str]:
    """Return the texts of all passages in the order of the examples' passages."""
    return [
        text
        for row in rows
        for good in row["pos_passage"]
        for text in (good, *row["neg_passage"][: group_size - 1])
    ]


def samples(
    examples: list[Example], texts: list[str], tokenizer: Any, base: Any, tuned: Any
) -> list[dict[str, Any]]:
    """Return the first queries with what was found, and what was to be found."""
    found, place = [], 0
    for number, example in enumerate(examples[:SAMPLES]):
        query = tokenizer.decode(example.query, skip_special_tokens=True)
        found.append(
            {
                "prompt": [{"role": "user", "content": query}],
                "base": texts[int(base.nearest[number])],
                "tuned": texts[int(tuned.nearest[number])],
                "base_ended": True,
                "tuned_ended": True,
                "reference": texts[place],
            }
        )
        place += len(example.passages)
    return found


def same_tokens(folder: str, examples: list[Example], encoder: Encoder, file: Path) -> None:
    """Raise `RefusedError` unless the result's own tokenizer ends texts as training did."""
    settings = encoder.settings
    path = Path(folder, "tokenizer.json")
    if settings.query_template != embedding_arguments.TEXT or not path.exists():
        return
    handed_out = Tokenizer.from_file(str(path))
    handed_out.no_truncation()
    handed_out.no_padding()
    row = embedding_dataset.read_rows(file)[0]
    given = handed_out.encode(row["query"]).ids
    if len(given) <= settings.max_query_len and given != examples[0].query:
        raise RefusedError(
            say("The result's tokenizer makes other tokens of a query than training did."),
            say("It would give other vectors in other programs."),
        )


def prove(spec: dict[str, Any], base: Any, tuned: Any, queries: int, held_out: bool, stage: Stage) -> None:
    """Prove that the result finds what training said; warn when it finds less than the base model."""
    said = trained_loss(spec) if held_out else None
    allowed = SAME_LOSS if holds_float32(spec["model"]) else SAME_LOSS_16_BIT
    apart = 0.0 if said is None else abs(tuned.loss - said)
    sentence = say(
        "Of {queries} held-out queries {before:.0%} found their passage before and {after:.0%} after; it is "
        "ahead of the next one by {margin_before:.3f} before and {margin_after:.3f} after.",
        queries=queries,
        before=base.recall,
        after=tuned.recall,
        margin_before=base.margin,
        margin_after=tuned.margin,
    )
    if said is not None:
        sentence += " " + say("Training itself ended with the same loss, to {apart:.0e}.", apart=apart)
    stage.emitter.proof(
        "generate.embeddings",
        apart <= allowed,
        sentence,
        base_recall=base.recall,
        tuned_recall=tuned.recall,
        base_margin=base.margin,
        tuned_margin=tuned.margin,
        base_loss=base.loss,
        tuned_loss=tuned.loss,
        apart=apart,
        queries=queries,
    )
    if apart > allowed:
        raise RefusedError(
            say(
                "The result has loss {found:.4f} on held-out queries, and training ended with {said:.4f}.",
                found=tuned.loss,
                said=said,
            ),
            say("What was handed out is not what was trained."),
            say("Resume the run to merge again."),
        )
    if tuned.recall < base.recall:
        stage.emitter.log(say("The result finds fewer passages than the base model did."), "warning")
