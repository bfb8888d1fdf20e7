"""Build model, data and trainer of an embedding fine-tune, for `train` and for `preflight`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from paddlenlp.transformers import PretrainedTokenizer

from runtime.workers import embedding_arguments, embedding_dataset, sft_dataset, sft_setup
from runtime.workers.decoding import causal_model
from runtime.workers.embedding_arguments import Arguments
from runtime.workers.embedding_dataset import Encoder
from runtime.workers.embedding_trainer import EmbeddingTrainer
from runtime.workers.emit import Emitter
from runtime.workers.sft_setup import Model, Splits
from runtime.workers.sft_trainer import ExactTrainer
from runtime.workers.speech import say

parse = embedding_arguments.parse


def load_tokenizer(arguments: Arguments) -> PretrainedTokenizer:
    """Return the tokenizer of the base model."""
    return sft_dataset.load_tokenizer(arguments.model.model_name_or_path, arguments.data)


def load_splits(arguments: Arguments, tokenizer: PretrainedTokenizer, emitter: Emitter) -> Splits:
    """Tokenize train.json and, when the config evaluates, dev.json."""
    folder = Path(arguments.data.dataset_name_or_path or "")
    encoder = Encoder(tokenizer, arguments.embedding)
    train = embedding_dataset.load(folder / "train.json", encoder)
    dev_file = folder / "dev.json"
    evaluates = arguments.training.do_eval and dev_file.exists() and dev_file.stat().st_size > 0
    dev = embedding_dataset.load(dev_file, encoder) if evaluates else None
    if emitter.rank == 0:
        for role, split in ((say("training"), train), (say("dev"), dev)):
            if split is not None:
                emitter.log(
                    say("{rows} {role} queries with a passage, {tokens} tokens in all.",
                        rows=split.rows, role=role, tokens=split.tokens)
                )  # fmt: skip
                if split.cut_rows:
                    emitter.log(
                        say("{rows} of them have a text that is cut to its limit.", rows=split.cut_rows),
                        level="warning",
                    )
    return Splits(train, dev)


def build_model(arguments: Arguments, extras: dict[str, Any]) -> Model:
    """Return the model; an output head of its own learns nothing here, as no token is predicted."""
    built = sft_setup.build_model(arguments, extras)  # type: ignore[arg-type]
    causal = causal_model(built.layer)
    held = {id(weight) for weight in getattr(causal, causal.base_model_prefix).parameters()}
    for weight in causal.lm_head.parameters():
        if id(weight) not in held:
            weight.stop_gradient = True
    return Model(built.layer, None)


def build_trainer(arguments: Arguments, *rest: Any, **named: Any) -> ExactTrainer:
    """Return the trainer; see `sft_setup.build_trainer`."""
    kind = functools.partial(EmbeddingTrainer, embedding=arguments.embedding)
    common: Any = arguments
    return sft_setup.build_trainer(common, *rest, kind=kind, collate=embedding_dataset.collate, **named)
