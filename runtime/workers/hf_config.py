"""Say a PaddleNLP model's config and tokenizer settings in Hugging Face's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

ARCHITECTURE = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "vocab_size",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_theta",
    "rope_scaling",
    "hidden_act",
    "initializer_range",
    "tie_word_embeddings",
    "attention_bias",
    "attention_dropout",
    "mlp_bias",
    "sliding_window",
    "use_sliding_window",
    "max_window_layers",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)
"""Keys that mean the same on both sides. Defaults differ between the two, so each is written out."""

ACTIVATIONS = {"llama": "silu", "qwen2": "silu", "mistral": "silu", "gemma": "gelu_python"}
"""What PaddleNLP computes, where its config has no field for it. Its gemma takes the exact gelu
(gemma/modeling.py, GemmaMLP.forward: `F.gelu`), where Hugging Face's takes the approximation by tanh;
transformers reads `gelu` as that one too (configuration_gemma.py:90), so the exact one has another name."""


def hf_config(folder: Path, config: Any, class_name: str) -> dict[str, Any]:
    """Return config.json for Hugging Face; `config` is PaddleNLP's of the model in `folder`."""
    given: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind = config.model_type
    if kind not in ACTIVATIONS:
        raise RefusedError(
            say("The config of a {kind} model cannot be said in Hugging Face's words.", kind=kind),
            say("Known are {kinds}.", kinds=", ".join(ACTIVATIONS)),
            say("Name the Hugging Face folder that the model came from with --original."),
        )
    if getattr(config, "rope_scaling_type", None):
        raise RefusedError(
            say("The model scales its positions by PaddleNLP's own {kind}.", kind=config.rope_scaling_type),
            remedy=say("Name the Hugging Face folder that the model came from with --original."),
        )
    values: dict[str, Any] = {"architectures": [class_name], "model_type": kind}
    for key in ARCHITECTURE:
        value = given.get(key, getattr(config, key, None))
        if value is not None:
            values[key] = value
    values.setdefault("hidden_act", ACTIVATIONS[kind])
    if kind == "gemma":
        values["hidden_act"] = values["hidden_activation"] = ACTIVATIONS[kind]
    if kind == "mistral":
        values.setdefault("sliding_window", None)
    values["torch_dtype"] = given.get("dtype") or given.get("torch_dtype") or "float32"
    return values


def tokenizer_settings(folder: Path) -> dict[str, Any] | None:
    """Return tokenizer_config.json with Hugging Face's class name; None if the folder has none."""
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return None
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if (folder / "tokenizer.json").is_file():
        values["tokenizer_class"] = "PreTrainedTokenizerFast"
    return values
