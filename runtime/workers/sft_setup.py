"""Build model, data and trainer from a parsed config, for `train` and for `preflight`, which rehearses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import paddle
from paddlenlp.trainer import TrainerCallback, set_seed
from paddlenlp.transformers import AutoConfig, AutoModelForCausalLM, PretrainedTokenizer
from paddlenlp.transformers.configuration_utils import LlmMetaConfig
from paddlenlp.trl import ModelConfig

from runtime.workers import (
    answer_logits,
    cpu_norm,
    neftune,
    pipelines,
    sft_arguments,
    sft_dataset,
    shifted_attention,
    tuning,
)
from runtime.workers.best import Patience
from runtime.workers.emit import Emitter
from runtime.workers.generation_eval import GenerationEval, questions
from runtime.workers.progress import Progress
from runtime.workers.refusal import RefusedError
from runtime.workers.sft_arguments import Arguments
from runtime.workers.sft_dataset import Loaded, collator, load, read_rows
from runtime.workers.sft_trainer import ExactTrainer
from runtime.workers.speech import say
from runtime.workers.split_report import report


class Splits(NamedTuple):
    """Training rows and, when there is evaluation, dev rows."""

    train: Loaded
    dev: Loaded | None
    generation: GenerationEval | None = None
    """Evaluation by generation, where the config asks for it."""


class Model(NamedTuple):
    """The model to train, and its hooks that save work in the output layer."""

    layer: Any
    answer_logits: answer_logits.AnswerLogits | None


def parse(path: str | Path, extras: dict[str, Any], processes: int | None = None) -> Arguments:
    """Return the config at `path`; see `sft_arguments.parse`."""
    return sft_arguments.parse(path, processes)


def load_tokenizer(arguments: Arguments) -> PretrainedTokenizer:
    """Return the tokenizer of the base model, with its chat template."""
    return sft_dataset.load_tokenizer(arguments.model.model_name_or_path, arguments.data)


def weight_dtype(arguments: Arguments) -> str:
    """Return the number format of the weights: 16 bits only at level O2."""
    training = arguments.training
    if training.fp16_opt_level != "O2":
        return "float32"
    if not (training.bf16 or training.fp16):
        raise RefusedError(
            say("`fp16_opt_level` is O2, but neither `bf16` nor `fp16` is on."),
            remedy=say("Choose one, or use O1."),
        )
    return "bfloat16" if training.bf16 else "float16"


def quantisation(source: ModelConfig) -> dict[str, Any]:
    """Return how the frozen weights are stored, in the words of PaddleNLP's QuantizationConfig."""
    return {
        "weight_quantize_algo": source.weight_quantize_algo,
        "weight_blocksize": source.weight_blocksize,
        "weight_double_quant": source.weight_double_quant,
        "weight_double_quant_block_size": source.weight_double_quant_block_size,
    }


def build_model(arguments: Arguments, extras: dict[str, Any]) -> Model:
    """Load the base model and add what is trained beside it: equal on every rank and start, by the seed."""
    source, training = arguments.model, arguments.training
    dtype = weight_dtype(arguments)
    set_seed(seed=training.seed)
    config = AutoConfig.from_pretrained(
        source.model_name_or_path, dtype=dtype, quantization_config=quantisation(source)
    )
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
    split = pipelines.in_pipeline(training)
    load = pipelines.load if split else AutoModelForCausalLM.from_pretrained
    base = load(source.model_name_or_path, config=config)
    hooks = answer_logits.install(base, training)
    cpu_norm.install(base)
    if source.neftune:
        layer = pipelines.embedding(base) if split else base.get_input_embeddings()
        neftune.disturb(layer, source.neftune_noise_alpha)
    if training.use_ssa:
        shifted_attention.install(base, training.ssa_group_size_ratio)
    return Model(tuning.begin(base, arguments, dtype, extras), hooks)


def load_splits(arguments: Arguments, tokenizer: PretrainedTokenizer, emitter: Emitter) -> Splits:
    """Tokenize train.json and, when the config evaluates, dev.json; say what was cut or left out."""
    data = arguments.data
    folder = Path(data.dataset_name_or_path or "")
    dev_file = folder / "dev.json"
    train = load(folder / "train.json", tokenizer, data)
    evaluates = arguments.training.do_eval and dev_file.exists() and dev_file.stat().st_size > 0
    dev = load(dev_file, tokenizer, data) if evaluates else None
    if emitter.rank == 0:
        for name, split in ((say("training"), train), (say("dev"), dev)):
            if split is not None:
                report(name, split, emitter, packed=data.zero_padding, longest=data.max_length)
    return Splits(train, dev, generation_eval(arguments, tokenizer, dev_file) if dev else None)


def generation_eval(arguments: Arguments, tokenizer: Any, dev_file: Path) -> GenerationEval | None:
    """Return what answers dev rows at every evaluation; None unless the config asks for it."""
    if not arguments.data.eval_with_do_generation:
        return None
    data = arguments.data
    asked = questions(list(read_rows(dev_file)), tokenizer, data.max_length - 1)
    if not asked:
        raise RefusedError(
            say(
                "No prompt of {dev_file} leaves room for an answer within {max_length} tokens.",
                dev_file=dev_file,
                max_length=data.max_length,
            ),
            remedy=say("Raise max_length, or set eval_with_do_generation to false."),
        )
    return GenerationEval(arguments, tokenizer, asked, Path(arguments.training.output_dir) / "samples")


def build_trainer(
    arguments: Arguments,
    model: Model,
    tokenizer: PretrainedTokenizer,
    splits: Splits,
    progress: Progress,
    emitter: Emitter,
    callbacks: list[TrainerCallback],
    patience: int = 0,
    *,
    kind: Callable[..., ExactTrainer] = ExactTrainer,
    collate: Any = None,
    scheduler: Any = None,
) -> ExactTrainer:
    """Return the trainer; only trainable parameters reach the optimizer.

    `patience` is after how many looks without a lower dev loss training ends; 0 is never. `collate` joins
    rows into batches, and `scheduler` is the course of the learning rate; by default both are those of SFT.
    """
    training = arguments.training
    keeps_best = bool(training.load_best_model_at_end)
    training.load_best_model_at_end = False  # upstream's reload fails; `best.restore` does it
    training.report_to = []
    training.disable_tqdm = True
    if training.ddp_find_unused_parameters is None:
        training.ddp_find_unused_parameters = False  # every trainable parameter takes part in every pass
    packed_on_gpu = arguments.data.zero_padding and paddle.device.get_device() != "cpu"
    one_length = arguments.data.pad_to_max_length or packed_on_gpu or pipelines.in_pipeline(training)
    trainer = kind(
        emitter=emitter,
        progress=progress,
        answer_logits=model.answer_logits,
        generation=splits.generation,
        keeps_best=keeps_best,
        model=model.layer,
        args=training,
        train_dataset=splits.train.dataset,
        eval_dataset=splits.dev.dataset if splits.dev else None,
        tokenizer=tokenizer,
        optimizers=(None, scheduler),
        data_collator=collate or collator(tokenizer, arguments.data, fixed_length=one_length),
        callbacks=[*callbacks, Patience(progress, emitter, patience)],
    )
    trainer.set_optimizer_grouped_parameters(
        [weight for weight in model.layer.parameters() if not weight.stop_gradient]
    )
    return trainer
