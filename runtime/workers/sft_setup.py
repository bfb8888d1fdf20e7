"""Build model, data and trainer from a parsed config, for `train` and for `preflight`, which rehearses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import paddle
from paddlenlp.trainer import TrainerCallback, set_seed
from paddlenlp.transformers import AutoConfig, AutoModelForCausalLM, PretrainedTokenizer
from paddlenlp.transformers.configuration_utils import LlmMetaConfig

from runtime.workers import answer_logits, cpu_norm
from runtime.workers.emit import Emitter
from runtime.workers.lora import add_adapters
from runtime.workers.progress import Progress
from runtime.workers.refusal import RefusedError
from runtime.workers.sft_arguments import Arguments
from runtime.workers.sft_dataset import Loaded, collator, load
from runtime.workers.sft_trainer import ExactTrainer


class Splits(NamedTuple):
    """Training rows and, when there is evaluation, dev rows."""

    train: Loaded
    dev: Loaded | None


class Model(NamedTuple):
    """The model to train, and its hooks that save work in the output layer."""

    layer: Any
    answer_logits: answer_logits.AnswerLogits | None


def weight_dtype(arguments: Arguments) -> str:
    """Return the number format of the weights: 16 bits only at level O2."""
    training = arguments.training
    if training.fp16_opt_level != "O2":
        return "float32"
    if not (training.bf16 or training.fp16):
        raise RefusedError(
            "`fp16_opt_level` is O2, but neither `bf16` nor `fp16` is on.", remedy="Choose one, or use O1."
        )
    return "bfloat16" if training.bf16 else "float16"


def build_model(arguments: Arguments, extras: dict[str, Any]) -> Model:
    """Load the base model and, for LoRA, add fresh adapters: equal on every rank and start, by the seed."""
    source, training = arguments.model, arguments.training
    dtype = weight_dtype(arguments)
    set_seed(seed=training.seed)
    config = AutoConfig.from_pretrained(source.model_name_or_path, dtype=dtype)
    LlmMetaConfig.set_llm_config(config, training)
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        if hasattr(config, name):
            setattr(config, name, getattr(source, name))
    for name in ("fuse_attention_qkv", "fuse_attention_ffn"):
        if getattr(source, name) is not None:
            setattr(config, name, getattr(source, name))
    if hasattr(config, "ignore_index"):
        config.ignore_index = -100
    config.seq_length = arguments.data.max_length
    base = AutoModelForCausalLM.from_pretrained(source.model_name_or_path, config=config)
    hooks = answer_logits.install(base, training)
    cpu_norm.install(base)
    layer = add_adapters(base, source, training, dtype, extras) if source.lora else base
    return Model(layer, hooks)


def load_splits(arguments: Arguments, tokenizer: PretrainedTokenizer, emitter: Emitter) -> Splits:
    """Tokenize train.json and, when the config evaluates, dev.json; say what was cut or left out."""
    folder = Path(arguments.data.dataset_name_or_path or "")
    dev_file = folder / "dev.json"
    train = load(folder / "train.json", tokenizer, arguments.data)
    evaluates = arguments.training.do_eval and dev_file.exists() and dev_file.stat().st_size > 0
    dev = load(dev_file, tokenizer, arguments.data) if evaluates else None
    if emitter.rank == 0:
        for name, split in (("training", train), ("dev", dev)):
            if split is not None:
                report(name, split, arguments, emitter)
    return Splits(train, dev)


def report(name: str, split: Loaded, arguments: Arguments, emitter: Emitter) -> None:
    """Say in sentences what became of a split."""
    packs = f", packed into {len(split.dataset)} sequences" if arguments.data.zero_padding else ""
    emitter.log(
        f"{split.rows} {name} rows, {split.tokens} tokens, {split.answer_tokens} of them answers{packs}."
    )
    if split.cut_rows:
        emitter.log(
            f"{split.cut_rows} {name} row(s) were cut to {arguments.data.max_length} tokens.", level="warning"
        )
    if split.silent_rows:
        emitter.log(
            f"{split.silent_rows} {name} row(s) have no answer token left and are not trained on.",
            level="warning",
        )


def build_trainer(
    arguments: Arguments,
    model: Model,
    tokenizer: PretrainedTokenizer,
    splits: Splits,
    progress: Progress,
    emitter: Emitter,
    callbacks: list[TrainerCallback],
) -> ExactTrainer:
    """Return the trainer; only trainable parameters reach the optimizer."""
    training = arguments.training
    training.report_to = []
    training.disable_tqdm = True
    if training.ddp_find_unused_parameters is None:
        training.ddp_find_unused_parameters = False  # every trainable parameter takes part in every pass
    on_gpu = paddle.device.get_device() != "cpu"
    trainer = ExactTrainer(
        emitter=emitter,
        progress=progress,
        answer_logits=model.answer_logits,
        model=model.layer,
        args=training,
        train_dataset=splits.train.dataset,
        eval_dataset=splits.dev.dataset if splits.dev else None,
        tokenizer=tokenizer,
        data_collator=collator(
            tokenizer,
            arguments.data,
            fixed_length=arguments.data.pad_to_max_length or (arguments.data.zero_padding and on_gpu),
        ),
        callbacks=callbacks,
    )
    trainer.set_optimizer_grouped_parameters(
        [weight for weight in model.layer.parameters() if not weight.stop_gradient]
    )
    return trainer
