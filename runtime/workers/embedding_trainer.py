"""A trainer of embeddings whose step compares every query with every passage of the step.

All micro-batches of a step, on all processes, are one comparison: first the vectors of all are computed
without gradients, then the loss gives each vector its gradient, and each micro-batch runs once more to pass
it on (gradient caching, arXiv:2101.06983). So a step learns the same however it is divided. PaddleNLP does
this with gradient accumulation only, and ignores the asked-for loss without.
"""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import numpy as np
import paddle
from paddle.io import DataLoader
from paddlenlp.trainer.trainer_utils import EvalLoopOutput

from runtime.workers import embedding_loss
from runtime.workers.decoding import causal_model
from runtime.workers.embedding_arguments import EmbeddingArgument
from runtime.workers.embedding_dataset import Example, collate
from runtime.workers.embedding_loss import Facts
from runtime.workers.embedding_vectors import LastHidden, embed, vectors
from runtime.workers.sft_trainer import ExactTrainer


class Part(NamedTuple):
    """A micro-batch of the step, and the random state with which its vectors were computed."""

    inputs: dict[str, Any]
    random: Any
    queries: np.ndarray
    passages: np.ndarray


class EmbeddingTrainer(ExactTrainer):
    """`ExactTrainer` for queries with passages."""

    def __init__(self, *, embedding: EmbeddingArgument, **named: Any) -> None:
        super().__init__(**named)
        self.embedding = embedding
        self.caught = LastHidden(causal_model(self.model))
        self.parts: list[Part] = []

    def training_step(self, model: Any, inputs: dict[str, Any], step_control: int = 0) -> paddle.Tensor:
        """Keep the micro-batch; with the last one of a step, compute the loss and all gradients."""
        inputs = self._prepare_inputs(inputs)
        self.progress.count(inputs)
        model.train()
        random = paddle.get_rng_state()
        with paddle.no_grad():
            reps = [rep.numpy() for rep in self.encode(model, inputs)]
        self.parts.append(Part(inputs, random, reps[0], reps[1]))
        if (step_control + 1) % self.args.gradient_accumulation_steps != 0:
            return paddle.zeros([])
        after = paddle.get_rng_state()
        loss, gradients = self.gradients()
        for number, part in enumerate(self.parts):
            waits = number + 1 < len(self.parts) and hasattr(model, "no_sync")
            with model.no_sync() if waits else contextlib.nullcontext():
                paddle.set_rng_state(part.random)
                queries, passages = self.encode(model, part.inputs)
                passed_on = (queries * gradients[number][0]).sum() + (passages * gradients[number][1]).sum()
                (self.scaler.scale(passed_on) if self.do_grad_scaling else passed_on).backward()
        paddle.set_rng_state(after)
        self.parts = []
        return loss

    def encode(self, model: Any, inputs: dict[str, Any]) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return the vectors of queries and passages: of one run, as several processes allow only one."""
        with self.autocast_smart_context_manager():
            found = vectors(model, self.caught, inputs["input_ids"], inputs["attention_mask"])
        queries = len(inputs["target"])
        return found[:queries], found[queries:]

    def gradients(self) -> tuple[paddle.Tensor, list[tuple[paddle.Tensor, paddle.Tensor]]]:
        """Return the step's loss and, for each own micro-batch, the gradients of its vectors.

        Gradients are averaged over processes afterwards, and every process knows the loss of all: so each
        one's share counts as many times as there are processes.
        """
        own = [(part.queries, part.passages, Facts.of_batch(part.inputs)) for part in self.parts]
        everyone, rank, processes = [own], 0, 1
        if self.embedding.embedding_negatives_cross_device and self.args.dataset_world_size > 1:
            everyone = []
            paddle.distributed.all_gather_object(everyone, own)
            rank, processes = self.args.dataset_rank, self.args.dataset_world_size
        parts = [part for held in everyone for part in held]
        leaves = [[paddle.to_tensor(side, stop_gradient=False) for side in part[:2]] for part in parts]
        loss = embedding_loss.contrastive(
            paddle.concat([queries for queries, _ in leaves]),
            paddle.concat([passages for _, passages in leaves]),
            Facts.joined([part[2] for part in parts]),
            self.embedding.embedding_temperature,
            self.embedding.embedding_matryoshka_dims,
        )
        loss.backward()
        first = sum(len(held) for held in everyone[:rank])
        mine = leaves[first : first + len(own)]
        return loss.detach(), [
            (queries.grad * processes, passages.grad * processes) for queries, passages in mine
        ]

    def evaluation_loop(self, dataloader: DataLoader, *positional: Any, **named: Any) -> EvalLoopOutput:
        """Return loss, recall and margin over the dev rows; every process looks at all of them."""
        found = look(self.model, dataloader.dataset.examples, self.embedding.embedding_temperature)
        metrics = {"eval_loss": found.loss, "eval_recall": found.recall, "eval_margin": found.margin}
        return EvalLoopOutput(None, None, metrics, len(dataloader.dataset))


def look(model: Any, examples: list[Example], temperature: float, each_batch: Any = lambda done: None) -> Any:
    """Return how well a model finds the passages of all examples (`embedding_loss.Found`)."""
    queries = embed(model, [example.query for example in examples], each_batch)
    before = len(examples)
    passages = embed(
        model,
        [tokens for example in examples for tokens in example.passages],
        lambda done: each_batch(before + done),
    )
    return embedding_loss.judge(queries, passages, Facts.of_batch(collate(examples)), temperature)
