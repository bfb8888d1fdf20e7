"""What a model makes of held-out answers: how likely it finds each, or how high it scores each.

This is asked of the files that are handed out, and of the model before training, one in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import paddle

from runtime.workers.json_lines import read_rows
from runtime.workers.preference_dataset import Collator, sequence
from runtime.workers.preference_losses import log_probabilities, scores_at_ends
from runtime.workers.preference_rows import Pair, judgements, pairs
from runtime.workers.stage_run import Stage

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedTokenizer

MOST_ROWS = 64
"""Held-out rows that are weighed: enough to tell chance from learning, few enough for any model."""


class Held(NamedTuple):
    """A held-out row, as text and in tokens."""

    row: dict[str, Any]
    pair: Pair


def held_out(spec: dict[str, Any], tokenizer: PretrainedTokenizer, split: str = "dev") -> list[Held]:
    """Return the first dev rows in tokens; none where nothing was held out."""
    path = Path(spec["data"]) / f"{split}.json"
    if not path.exists() or path.stat().st_size == 0:
        return []
    rows = list(read_rows(path))[:MOST_ROWS]
    read = judgements if spec["plan_stage"] == "kto" else pairs
    found = read(rows, tokenizer, int(spec["max_length"]), int(spec["src_length"]))
    return [Held(row, pair) for row, pair in zip(rows, found, strict=True)]


def weigh(
    held: Sequence[Held],
    measure: Callable[[dict[str, paddle.Tensor]], paddle.Tensor],
    scores: bool,
    stage: Stage,
) -> list[tuple[float, float]]:
    """Return what `measure` makes of the first and second answer of every row, one row at a time."""
    collate = Collator(None, 0)
    found = []
    for one in held:
        stage.check_stop()
        batch = {
            key: paddle.to_tensor(value) for key, value in collate([[sequence(one.pair, scores)]]).items()
        }
        with paddle.no_grad():
            first, second = measure(batch)[0].tolist()
        found.append((first, second))
    return found


def likelihoods(model: Any) -> Callable[[dict[str, paddle.Tensor]], paddle.Tensor]:
    """Return what measures the log-probabilities of both answers under a language model."""
    logprobs = paddle.nn.CrossEntropyLoss(reduction="none")
    return lambda batch: log_probabilities(model, None, batch, logprobs)


def scores_of(model: Any) -> Callable[[dict[str, paddle.Tensor]], paddle.Tensor]:
    """Return what measures the scores of both answers by a reward model."""
    return lambda batch: scores_at_ends(model, batch)
