"""Build model, reference, data and trainer of stages dpo, kto and reward, for `train` and for `preflight`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import paddle
from paddlenlp.transformers import PretrainedTokenizer

from runtime.workers import preference_arguments, preference_dataset, reward_model, sft_dataset, sft_setup
from runtime.workers.answer_logits import AnswerLogits
from runtime.workers.emit import Emitter
from runtime.workers.preference_arguments import Objective
from runtime.workers.preference_trainer import PreferenceTrainer, Reference, without_dropout
from runtime.workers.sft_arguments import Arguments
from runtime.workers.sft_setup import Splits
from runtime.workers.sft_trainer import ExactTrainer
from runtime.workers.speech import say
from runtime.workers.split_report import report

STAGES = {"orpo": "dpo", "simpo": "dpo"}
"""Stage of a plan -> stage whose config it has, where they differ: ORPO and SimPO are losses of DPO."""


class Model(NamedTuple):
    """The model to train, its hooks, and what it is compared with."""

    layer: Any
    answer_logits: AnswerLogits | None
    reference: Reference | None


def parse(path: str | Path, extras: dict[str, Any], processes: int | None = None) -> Arguments:
    """Return the config at `path`; `extras["stage"]` is the stage of the plan."""
    stage = str(extras.get("stage", "dpo"))
    return preference_arguments.parse(path, STAGES.get(stage, stage), processes)


def load_tokenizer(arguments: Arguments) -> PretrainedTokenizer:
    """Return the tokenizer of the base model, with its chat template."""
    return sft_dataset.load_tokenizer(arguments.model.model_name_or_path, arguments.data)


def load_splits(arguments: Arguments, tokenizer: PretrainedTokenizer, emitter: Emitter) -> Splits:
    """Tokenize and pack train.json and, when the config evaluates, dev.json; say what was cut or left out."""
    data = arguments.data
    folder = Path(data.dataset_name_or_path)
    stage = arguments.training.objective.stage
    train = preference_dataset.load(folder / "train.json", tokenizer, data, stage)
    dev_file = folder / "dev.json"
    evaluates = arguments.training.do_eval and dev_file.exists() and dev_file.stat().st_size > 0
    dev = preference_dataset.load(dev_file, tokenizer, data, stage) if evaluates else None
    if emitter.rank == 0:
        report(say("training"), train, emitter, packed=data.zero_padding, longest=data.max_length)
        if dev is not None:
            report(say("dev"), dev, emitter, packed=data.zero_padding, longest=data.max_length)
    return Splits(train, dev)


def build_model(arguments: Arguments, extras: dict[str, Any]) -> Model:
    """Load the model to train, without dropout, and its reference if the loss has one."""
    wanted: Objective = arguments.training.objective
    if wanted.stage == "reward":
        scorer = reward_model.begin(arguments, sft_setup.weight_dtype(arguments))
        without_dropout(scorer)
        return Model(scorer, None, None)
    model = sft_setup.build_model(arguments, extras)
    without_dropout(model.layer)
    if not wanted.needs_reference:
        return Model(*model, None)
    if wanted.lora:
        return Model(*model, Reference(None, model.answer_logits))
    copy = sft_setup.build_model(arguments, extras)
    for weight in copy.layer.parameters():
        weight.stop_gradient = True
    copy.layer.eval()
    return Model(*model, Reference(*copy))


def build_trainer(
    arguments: Arguments, model: Model, tokenizer: PretrainedTokenizer, *rest: Any, **named: Any
) -> ExactTrainer:
    """Return the trainer of preferences; see `sft_setup.build_trainer`."""
    kind: Any = partial(PreferenceTrainer, objective=arguments.training.objective, reference=model.reference)
    fixed = arguments.data.max_length if paddle.device.get_device() != "cpu" else None
    collate = preference_dataset.Collator(fixed, tokenizer.pad_token_id, arguments.model.flash_mask)
    base = sft_setup.Model(model.layer, model.answer_logits)
    return sft_setup.build_trainer(arguments, base, tokenizer, *rest, kind=kind, collate=collate, **named)
