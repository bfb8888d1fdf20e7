"""Data and trainer from a parsed config, for `train` and for `preflight`, which rehearses it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from runtime.workers.best import Patience
from runtime.workers.emit import Emitter
from runtime.workers.paddleformers import arguments as config
from runtime.workers.paddleformers import dataset, model, preference, saving, texts, tokenizer
from runtime.workers.paddleformers.arguments import Arguments
from runtime.workers.paddleformers.preference_trainer import PreferenceTrainer, objective
from runtime.workers.paddleformers.processor import on_processor
from runtime.workers.paddleformers.trainer import FlexTrainer
from runtime.workers.progress import Progress
from runtime.workers.speech import say
from runtime.workers.split_report import report


class Splits(NamedTuple):
    """Training rows and, when there is evaluation, dev rows."""

    train: dataset.Loaded
    dev: dataset.Loaded | None


LOADERS = {"SFT": dataset.load, "DPO": preference.load, "PT": texts.load}
"""Stage of the toolkit's config -> what reads its rows."""

parse = config.parse
build_model = model.begin
result_name = saving.result_name
save_weights = saving.save_weights


def load_tokenizer(arguments: Arguments) -> Any:
    """Return the tokenizer of the model that the config names."""
    return tokenizer.load(arguments.model.model_name_or_path)


def load_splits(arguments: Arguments, tokenizer: Any, emitter: Emitter) -> Splits:
    """Tokenize the training and, when the config evaluates, the dev rows; say what was cut or left out."""
    data = arguments.data
    load = LOADERS[arguments.stage]
    dev_file = Path(str(data.eval_dataset_path))
    train = load(Path(str(data.train_dataset_path)), tokenizer, arguments)
    evaluates = arguments.training.do_eval and dev_file.is_file() and dev_file.stat().st_size > 0
    dev = load(dev_file, tokenizer, arguments) if evaluates else None
    if emitter.rank == 0:
        report(say("training"), train, emitter, packed=data.packing, longest=data.max_seq_len)
        if dev is not None:
            report(say("dev"), dev, emitter, packed=data.packing, longest=data.max_seq_len)
    return Splits(train, dev)


def steps_of(arguments: Arguments, sequences: int) -> int:
    """Return the optimizer steps of the whole run: `max_steps`, else whole epochs."""
    training = arguments.training
    if training.max_steps > 0:
        return int(training.max_steps)
    batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
    return int(math.ceil(sequences / (batch * training.dataset_world_size)) * training.num_train_epochs)


def build_trainer(
    arguments: Arguments,
    model: model.Model,
    tokenizer: Any,
    splits: Splits,
    progress: Progress,
    emitter: Emitter,
    callbacks: list[Any],
    patience: int = 0,
) -> FlexTrainer:
    """Return the trainer; only trainable parameters reach the optimizer.

    `patience` is after how many looks without a lower dev loss training ends; 0 is never.
    """
    training = arguments.training
    keeps_best = bool(training.load_best_model_at_end)
    training.load_best_model_at_end = False  # `best.restore` does it
    training.report_to = []
    training.disable_tqdm = True
    training.remove_unused_columns = False
    if training.decay_steps is None:
        training.decay_steps = steps_of(arguments, len(splits.train.dataset))
    fixed = int(arguments.data.max_seq_len) if arguments.data.packing and not on_processor() else 0
    prefers = arguments.stage == "DPO"
    kind = PreferenceTrainer if prefers else FlexTrainer
    collator = preference.Collator if prefers else dataset.Collator
    more = {"objective": objective(arguments), "reference": model.reference} if prefers else {}
    trainer = kind(
        **more,
        emitter=emitter,
        progress=progress,
        answer_logits=model.answer_logits,
        keeps_best=keeps_best,
        model=model.layer,
        args=training,
        train_dataset=splits.train.dataset,
        eval_dataset=splits.dev.dataset if splits.dev else None,
        tokenizer=tokenizer,
        data_collator=collator(tokenizer.pad_token_id, arguments.model._attn_implementation, fixed),
        callbacks=[*callbacks, Patience(progress, emitter, patience)],
    )
    trainer.set_optimizer_grouped_parameters(
        [weight for weight in model.layer.parameters() if not weight.stop_gradient]
    )
    return trainer
