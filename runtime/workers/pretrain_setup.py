"""Build model, data and trainer of continued pretraining, for `train` and for `preflight`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paddlenlp.transformers import (
    CosineAnnealingWithWarmupDecay,
    LinearAnnealingWithWarmupDecay,
    PretrainedTokenizer,
)

from runtime.workers import pretrain_arguments, pretrain_dataset, sft_dataset, sft_setup
from runtime.workers.emit import Emitter
from runtime.workers.sft_arguments import Arguments
from runtime.workers.sft_setup import Splits, build_model
from runtime.workers.sft_trainer import ExactTrainer
from runtime.workers.speech import say

__all__ = ["build_model", "build_trainer", "load_splits", "load_tokenizer", "parse"]

parse = pretrain_arguments.parse

COURSES = {"cosine": CosineAnnealingWithWarmupDecay, "linear": LinearAnnealingWithWarmupDecay}
"""Name of the schedule -> its course down to `min_learning_rate` (run_pretrain.py); others end at zero."""


def load_tokenizer(arguments: Arguments) -> PretrainedTokenizer:
    """Return the tokenizer of the base model. It only travels with the result."""
    return sft_dataset.load_tokenizer(arguments.model.model_name_or_path, arguments.data)


def load_splits(arguments: Arguments, tokenizer: PretrainedTokenizer, emitter: Emitter) -> Splits:
    """Open the token files of the training texts and, when the config evaluates, of the dev texts."""
    folder, length = Path(arguments.data.dataset_name_or_path), arguments.data.max_length
    train = pretrain_dataset.load(folder, pretrain_dataset.TRAIN, length)
    evaluates = arguments.training.do_eval and (folder / f"{pretrain_dataset.DEV}.idx").exists()
    dev = pretrain_dataset.load(folder, pretrain_dataset.DEV, length) if evaluates else None
    if emitter.rank == 0:
        for role, split in ((say("training"), train), (say("dev"), dev)):
            if split is not None:
                emitter.log(
                    say(
                        "{texts} {role} texts, {tokens} tokens in {sequences} sequences of {length}.",
                        texts=split.rows,
                        role=role,
                        tokens=split.tokens,
                        sequences=len(split.dataset),
                        length=length,
                    )
                )
    return Splits(train, dev)


def build_trainer(
    arguments: Arguments, model: sft_setup.Model, tokenizer: PretrainedTokenizer, *rest: Any, **named: Any
) -> ExactTrainer:
    """Return the trainer, with upstream's course of the learning rate; see `sft_setup.build_trainer`."""
    return sft_setup.build_trainer(
        arguments, model, tokenizer, *rest, scheduler=learning_rate(arguments.training), **named
    )


def learning_rate(training: Any) -> Any:
    """Return the course of the learning rate; None where upstream leaves it to the trainer."""
    course = COURSES.get(str(training.lr_scheduler_type.value))
    if course is None:
        return None
    warmup = training.warmup_steps or training.warmup_ratio * training.max_steps
    return course(
        max_lr=training.learning_rate,
        min_lr=training.min_learning_rate,
        warmup_step=warmup,
        decay_step=training.decay_steps or training.max_steps,
        last_epoch=0,
    )
