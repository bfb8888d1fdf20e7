"""Build the model that is trained: the base as the config says, and adapters beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from paddleformers.cli.utils import get_lora_target_modules
from paddleformers.peft import LoRAConfig, LoRAModel
from paddleformers.trainer import set_seed
from paddleformers.transformers.configuration_utils import LlmMetaConfig, QuantizationConfig

from runtime.workers import neftune
from runtime.workers.answer_logits import AnswerLogits
from runtime.workers.paddleformers import answer_positions
from runtime.workers.paddleformers.arguments import Arguments
from runtime.workers.paddleformers.loading import linked_view, load_config, load_with
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say


class Model(NamedTuple):
    """The model to train, and its hooks that save work in the output layer."""

    layer: Any
    answer_logits: AnswerLogits | None
    reference: Any = None
    """The model as it was, where preferences are learned by all weights and compared with it."""


def weight_dtype(training: Any) -> str:
    """Return the number format of the weights: 16 bits only at level O2."""
    if training.fp16_opt_level != "O2":
        return "float32"
    if not (training.bf16 or training.fp16):
        raise RefusedError(
            say("`fp16_opt_level` is O2, but `compute_type` names no 16-bit format."),
            remedy=say("Choose one, or use O1."),
        )
    return "bfloat16" if training.bf16 else "float16"


def begin(arguments: Arguments, extras: dict[str, Any]) -> Model:
    """Load the base model and add what is trained beside it: equal on every rank and start, by the seed."""
    source = arguments.model
    set_seed(seed=arguments.training.seed)
    base = load_base(arguments)
    prefers = arguments.stage == "DPO"
    hooks = None if prefers else answer_positions.install(base, arguments.training)
    if source.neftune:
        neftune.install(base, source.neftune_noise_alpha)
    if source.lora:
        return Model(with_adapters(base, arguments, weight_dtype(arguments.training), extras), hooks)
    free = arguments.training.reference_free or arguments.training.loss_type in ("or", "orpo", "simpo")
    if not prefers or free:
        return Model(base, hooks)
    reference = load_base(arguments)
    reference.eval()
    for weight in reference.parameters():
        weight.stop_gradient = True
    return Model(base, hooks, reference)


def load_base(arguments: Arguments) -> Any:
    """Return the base model, built as the config says."""
    source, training = arguments.model, arguments.training
    folder = Path(source.model_name_or_path)
    with linked_view(folder) as view:
        config = load_config(view, weight_dtype(training), source._attn_implementation)
        if training.weight_quantize_algo is not None:
            config.quantization_config = QuantizationConfig.from_dict(
                {"weight_quantize_algo": training.weight_quantize_algo, "ignore_modules": [".*out_linear.*"]}
            )
        LlmMetaConfig.set_llm_config(config, training)
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            if hasattr(config, name):
                setattr(config, name, getattr(training, name))
        config.seq_length = config.max_sequence_length = arguments.data.max_seq_len
        config.is_lora = source.lora
        return load_with(config, view, folder)


def with_adapters(base: Any, arguments: Arguments, dtype: str, extras: dict[str, Any]) -> Any:
    """Return `base` with LoRA adapters, everything else frozen.

    `extras` are `lora_alpha`, `lora_dropout` and `lora_target_modules`; the toolkit's own workflow fixes
    alpha at twice the rank, without dropout, on all linear layers (cli/train/sft/workflow.py:783).
    """
    source, training = arguments.model, arguments.training
    targets = get_lora_target_modules(base)
    if extras.get("lora_target_modules", "all-linear") == "attention":
        targets = [
            pattern for pattern in targets if any(part in pattern for part in ("q_", "k_", "v_", "o_", "qkv"))
        ]
    config = LoRAConfig(
        target_modules=targets,
        r=source.lora_rank,
        lora_alpha=extras.get("lora_alpha", 4 if source.rslora else 2 * source.lora_rank),
        lora_dropout=float(extras.get("lora_dropout", 0.0)),
        rslora=source.rslora,
        lora_plus_scale=source.lora_plus_scale,
        merge_weights=False,
        tensor_model_parallel_size=training.tensor_model_parallel_size,
        dtype=dtype,
        base_model_name_or_path=source.model_name_or_path,
    )
    model = LoRAModel(base, config)
    model.mark_only_lora_as_trainable()
    whole = model.sharded_state_dict

    def trained_shards(*positional: Any, **named: Any) -> dict[str, Any]:
        """Return the shards of what is trained: a checkpoint need not hold the frozen base again."""
        return {name: shard for name, shard in whole().items() if "lora_" in name}

    model.sharded_state_dict = trained_shards
    return model
