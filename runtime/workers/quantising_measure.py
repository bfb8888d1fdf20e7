"""What a model makes of held-out rows: loss, perplexity, accuracy, and its likeliest tokens."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from runtime.workers.conversation import IGNORED, Tokens, encode
from runtime.workers.decoding import batch_logits
from runtime.workers.json_lines import read_rows
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage


class Measured(NamedTuple):
    """What a model makes of the rows."""

    loss: float
    """Mean over the tokens of answers, in nats."""
    accuracy: float
    """Share of those tokens that the model finds likeliest."""
    tokens: int
    best: np.ndarray
    """The likeliest token at each of them."""


def measure(model: Any, rows: list[Tokens], stage: Stage) -> Measured:
    """Return loss and likeliest tokens where answers stand."""
    total, right, best = 0.0, 0, []
    for row in rows:
        stage.check_stop()
        labels = np.asarray(row.labels)
        places = np.flatnonzero(labels != IGNORED)
        logits = batch_logits(model, [row.input_ids])[0].astype("float32").numpy()[places]
        shifted = logits - logits.max(axis=1, keepdims=True)
        odds = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        total -= float(odds[np.arange(len(places)), labels[places]].sum())
        best.append(logits.argmax(axis=1))
        right += int((best[-1] == labels[places]).sum())
    found = np.concatenate(best)
    return Measured(total / len(found), right / len(found), len(found), found)


def figures(before: Measured, after: Measured) -> dict[str, Any]:
    """Return both in the words of a report."""
    return {
        "tokens": before.tokens,
        "loss_before": round(before.loss, 6),
        "loss_after": round(after.loss, 6),
        "perplexity_before": round(math.exp(min(50.0, before.loss)), 4),
        "perplexity_after": round(math.exp(min(50.0, after.loss)), 4),
        "accuracy_before": round(before.accuracy, 4),
        "accuracy_after": round(after.accuracy, 4),
        "same_best_token": round(float((before.best == after.best).mean()), 4),
    }


def read(spec: dict[str, Any], tokenizer: Any, name: str, most: int) -> list[Tokens]:
    """Return up to `most` rows of a prepared file that teach something."""
    rows = (
        encode(tokenizer, row, int(spec["src_length"]), int(spec["max_length"]))
        for row in read_rows(Path(spec["data"], name))
    )
    found = list(itertools.islice((row for row in rows if row.teaches), most))
    if not found:
        raise RefusedError(say("{path} has no row with an answer.", path=Path(spec["data"], name)))
    return found
