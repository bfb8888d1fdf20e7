"""Put LoRA adapters into a model, with the choices that upstream's config has no field for."""

from __future__ import annotations

import re
from typing import Any

from paddle import nn
from paddlenlp.peft import LoRAConfig, LoRAModel
from paddlenlp.transformers import PretrainedModel
from paddlenlp.trl import ModelConfig, SFTConfig
from paddlenlp.trl.llm_utils import get_lora_target_modules

from runtime.workers import pissa
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

ATTENTION = re.compile(r"[qkvo]_proj|qkv_proj|out_proj|attn\.|query|key|value|q_a_proj|q_b_proj|kv_[ab]_proj")
"""Marks the attention layers among PaddleNLP's name patterns of linear layers."""


def target_modules(model: PretrainedModel, which: str) -> list[str]:
    """Return name patterns of the layers that get an adapter; `which` is `all-linear` or `attention`."""
    try:
        patterns: list[str] = get_lora_target_modules(model)
    except ValueError as error:
        raise RefusedError(
            say("PaddleNLP knows no LoRA layers for a model of type {kind}.", kind=model.base_model_prefix)
        ) from error
    if which == "all-linear":
        return patterns + forgotten(model, patterns)
    if which != "attention":
        raise RefusedError(
            say("`lora_target_modules` is {which}; it must be all-linear or attention.", which=which)
        )
    chosen = [pattern for pattern in patterns if ATTENTION.search(pattern)]
    if not chosen:
        raise RefusedError(
            say(
                "No attention layer is known by name in a model of type {kind}.", kind=model.base_model_prefix
            )
        )
    return chosen


def forgotten(model: PretrainedModel, patterns: list[str]) -> list[str]:
    """Return patterns for the linear layers of the blocks that PaddleNLP's own leave out.

    For mistral it lists the names of mixtral's experts, so that two of three MLP layers get no adapter.
    """
    left = {
        name.rsplit(".", 1)[-1]
        for name, layer in model.named_sublayers()
        if isinstance(layer, nn.Linear)
        and ".layers." in name
        and not any(re.fullmatch(pattern, name) for pattern in patterns)
    }
    return [rf".*\.{leaf}" for leaf in sorted(left)]


def add_adapters(
    model: PretrainedModel, model_config: ModelConfig, training: SFTConfig, dtype: str, extras: dict[str, Any]
) -> LoRAModel:
    """Return `model` with adapters, everything else frozen.

    `extras` are `lora_alpha`, `lora_dropout` and `lora_target_modules`. Without them upstream's choice
    applies: alpha is twice the rank, no dropout, all linear layers.
    """
    if model_config.lora_path:
        raise RefusedError(
            say("`lora_path` starts from an adapter, which this worker does not do."),
            remedy=say("Leave the key out."),
        )
    rank = model_config.lora_rank
    variants = [name for name in ("pissa", "use_mora", "lora_use_mixer") if getattr(model_config, name)]
    if len(variants) > 1:
        raise RefusedError(
            say(
                "`{first}` and `{second}` are different adapters; choose one.",
                first=variants[0],
                second=variants[1],
            )
        )
    config = LoRAConfig(
        target_modules=target_modules(model, extras.get("lora_target_modules", "all-linear")),
        r=rank,
        lora_alpha=extras.get("lora_alpha", 4 if model_config.rslora else 2 * rank),
        lora_dropout=float(extras.get("lora_dropout", 0.0)),
        rslora=model_config.rslora,
        lora_plus_scale=model_config.lora_plus_scale,
        merge_weights=False,
        tensor_parallel_degree=training.tensor_parallel_degree,
        dtype=dtype,
        base_model_name_or_path=model_config.model_name_or_path,
        use_quick_lora=model_config.use_quick_lora and not extras.get("lora_dropout"),
        pissa=model_config.pissa,
        use_mora=model_config.use_mora,
        lora_use_mixer=model_config.lora_use_mixer,
    )
    adapted = LoRAModel(model, config)
    adapted.mark_only_lora_as_trainable()
    if model_config.pissa:
        pissa.begin(adapted)
    return adapted
