"""Experiments on continued pretraining and embeddings; run as `engine_lab.py`."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

import engine_lab
import numpy as np
import paddle
from paddlenlp.data.causal_dataset import build_train_valid_test_datasets
from paddlenlp.transformers.contrastive_loss import SimpleContrastiveLoss
from paddlenlp.trl import SFTTrainer

from runtime.workers import (
    embedding_arguments,
    embedding_dataset,
    embedding_loss,
    embedding_merge,
    embedding_searching,
    embedding_trainer,
    merging,
    pretrain_continuing,
    pretrain_dataset,
    pretrain_setup,
    sft_trainer,
    train,
)
from runtime.workers.embedding_loss import Facts
from runtime.workers.emit import Emitter
from runtime.workers.refusal import RefusedError
from runtime.workers.stage_run import Stage
from runtime.workers.stop import StopRequest

WORK = {
    "merge": merging.work,
    "embedding_merge": embedding_merge.work,
    "continue": pretrain_continuing.work,
    "search": embedding_searching.work,
}


def apart_micro_batches() -> Any:
    """Compare a query with the passages of its own micro-batch alone, as a plain trainer would."""

    def gradients(self: Any) -> Any:
        losses, found = [], []
        for part in self.parts:
            sides = [paddle.to_tensor(side, stop_gradient=False) for side in (part.queries, part.passages)]
            loss = embedding_loss.contrastive(
                *sides, Facts.of_batch(part.inputs), self.embedding.embedding_temperature
            )
            (loss / len(self.parts)).backward()
            losses.append(float(loss) / len(self.parts))
            found.append((sides[0].grad, sides[1].grad))
        return paddle.to_tensor(sum(losses)), found

    return engine_lab.patched(embedding_trainer.EmbeddingTrainer, "gradients", gradients)


def without_floor() -> Any:
    """Leave the learning rate to the trainer's own schedule."""
    return engine_lab.patched(pretrain_setup, "learning_rate", lambda training: None)


PATCHES = {
    "apart_micro_batches": apart_micro_batches,
    "without_floor": without_floor,
    "upstream_sampler": lambda: engine_lab.patched(
        sft_trainer.ExactTrainer, "_get_train_sampler", SFTTrainer._get_train_sampler
    ),
}


def do_train(spec: dict[str, Any], setup: str, patch: str = "") -> dict[str, Any]:
    """Train with the parts of a setup module; parameter names start from zero as in a process of its own."""
    trained: list[int] = []

    def counting(self: Any, model: Any, inputs: Any, step_control: int = 0) -> Any:
        trained.append(self.state.global_step)
        return original(self, model, inputs, step_control=step_control)

    owner = embedding_trainer.EmbeddingTrainer if "embedding" in setup else sft_trainer.ExactTrainer
    original = owner.training_step
    change = PATCHES[patch]() if patch else contextlib.nullcontext()
    with paddle.utils.unique_name.guard(), change, engine_lab.patched(owner, "training_step", counting):
        try:
            code = train.main(spec, [], f"runtime.workers.{setup}")
        except Exception:
            traceback.print_exc()  # of every rank, into its own log
            raise
    return {"code": code, "micro_batches": [trained.count(step) for step in sorted(set(trained))]}


def do_stage(work: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Do a stage's work and return its figures, or the sentence with which it is refused."""
    Path(spec["stage_folder"]).mkdir(parents=True, exist_ok=True)
    stage = Stage(Emitter(spec["stage_folder"], spec["stage"]), StopRequest(spec["stage_folder"]))
    try:
        outputs, figures = WORK[work](spec, stage)
    except RefusedError as error:
        return {"refused": f"{error.what} {error.why}"}
    return {"outputs": outputs, "figures": figures}


def do_refusal(setup: str, config: str) -> dict[str, Any]:
    """Return the sentence with which a config is refused, or none."""
    try:
        importlib.import_module(f"runtime.workers.{setup}").parse(config, {})
    except RefusedError as error:
        return {"sentence": " ".join(filter(None, (error.what, error.why, error.remedy)))}
    return {"sentence": ""}


def do_blocks(folder: str, length: int) -> dict[str, Any]:
    """Return the tokens that are given and learned in an epoch, and how many texts upstream trains on."""
    blocks = pretrain_dataset.Blocks(Path(folder, "train"), length)
    rows = [blocks[number] for number in range(len(blocks))]
    samples = [len(blocks), 0, 0]
    upstream = build_train_valid_test_datasets(
        [f"{folder}/train"], "mmap", "949,50,1", samples, length, 42, True, data_cache_path=f"{folder}/cache"
    )[0]
    return {
        "given": [token for row in rows for token in row["input_ids"]],
        "learned": [token for row in rows for token in row["labels"]],
        "texts": blocks.texts,
        "upstream_texts": len({int(number) for number in upstream.doc_idx}),
    }


def do_losses(config: str) -> dict[str, Any]:
    """Return our loss and upstream's, of random vectors, for rows with and without their own negatives."""
    settings = embedding_arguments.parse(config, {}).embedding
    dice = np.random.default_rng(5)
    found = {}
    for name, counts in (("even", [1, 1, 1]), ("uneven", [0, 2, 1])):
        examples = [
            embedding_dataset.Example([7], [[100 * row + place] for place in range(1 + count)], [])
            for row, count in enumerate(counts)
        ]
        examples = [
            example._replace(good=[embedding_dataset.key_of(example.passages[0])]) for example in examples
        ]
        facts = Facts.of_batch(embedding_dataset.collate(examples))
        queries, passages = (
            side / np.linalg.norm(side, axis=1, keepdims=True)
            for side in (dice.standard_normal([rows, 8]).astype("float32") for rows in (3, 3 + sum(counts)))
        )
        pair = paddle.to_tensor(queries), paddle.to_tensor(passages)
        found[name] = {
            "ours": float(embedding_loss.contrastive(*pair, facts, settings.embedding_temperature)),
            "upstream": float(SimpleContrastiveLoss(settings.embedding_temperature)(*pair)),
            "slow": slow(queries @ passages.T / settings.embedding_temperature, facts.target),
        }
    twice = [embedding_dataset.Example([row], [[5]], [embedding_dataset.key_of([5])]) for row in range(2)]
    facts = Facts.of_batch(embedding_dataset.collate(twice))
    same = [paddle.to_tensor(np.eye(2, 4, dtype="float32")[[0, 0]]) for _ in range(2)]
    found["shared"] = {
        "ours": float(embedding_loss.contrastive(*same, facts, 0.02)),
        "upstream": float(SimpleContrastiveLoss(0.02)(*same)),
    }
    return found


def slow(scores: np.ndarray, target: np.ndarray) -> float:
    """Return the mean cross entropy, computed row by row."""
    return float(
        np.mean([np.log(np.exp(row - row[own]).sum()) for row, own in zip(scores, target, strict=True)])
    )


def do_read(path: str) -> dict[str, Any]:
    """Return what upstream's reader makes of the first prepared row."""
    row = json.loads(Path(path).read_text().splitlines()[0])
    from paddlenlp.datasets.embedding_dataset import EmbeddingDatasetMixin

    example = EmbeddingDatasetMixin.convert_example(None, row)
    return {"query": example.query, "good": example.pos_passage, "bad": example.neg_passage}


engine_lab.DO.update(
    {name.removeprefix("do_"): value for name, value in list(globals().items()) if name.startswith("do_")}
)

if __name__ == "__main__":
    sys.exit(engine_lab.main())
