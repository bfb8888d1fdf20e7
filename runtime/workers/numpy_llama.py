"""An independent forward pass of a language model in NumPy, straight from Hugging Face safetensors.

It knows llama, qwen2, mistral, gemma and ernie4_5, and shares no code with Paddle or its toolkits, so
agreement with it proves a conversion. Everything is computed in float64 and one layer is held at a time.
Sources: RMSNorm (Zhang and Sennrich 2019), rotary embedding (Su et al. 2021) in the half-split form (Hugging
Face `rotate_half`) and, for ernie4_5, in pairs of neighbours (modeling_ernie4_5.py:107), grouped queries
(Ainslie et al. 2023), SwiGLU (Shazeer 2020), llama 3.1's frequency scaling (Hugging Face
`_compute_llama3_parameters`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from runtime.workers.speech import say
from runtime.workers.tensor_files import Entry, float_array, folder_entries

Array = NDArray[Any]

FAMILIES = ("llama", "qwen2", "mistral", "gemma", "ernie4_5")
NEIGHBOURS = ("ernie4_5",)
"""Families whose rotary embedding pairs neighbours."""
TIED = ("gemma", "ernie4_5")
"""Families that share the output head with the embedding unless the config says otherwise."""
HEAD_WIDTH = {"ernie4_5": 128}
"""Width of a head where the config does not say it (transformers Ernie4_5Config)."""
TANH_GELU = ("gelu_pytorch_tanh", "gelu_new")
"""Names of the gelu that is approximated by tanh."""
EXACT_GELU = ("gelu", "gelu_python")

ROPE_TYPES = ("default", "llama3", "linear", "dynamic")
"""Position scalings that are known. `dynamic` changes nothing within the trained context."""

VOCABULARY_CHUNK = 16384
"""Rows of the output head that are multiplied at a time."""


def rope_parameters(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return theta, type and scaling from config.json's `rope_scaling` or `rope_parameters`."""
    values = {**(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}
    theta = values.get("rope_theta") or config.get("rope_theta") or 10000.0
    return {
        **values,
        "rope_theta": theta,
        "rope_type": values.get("rope_type", values.get("type", "default")),
    }


def why_not(config: Mapping[str, Any]) -> str:
    """Return why this module cannot compute the model of `config`, or an empty string if it can."""
    if config.get("model_type") not in FAMILIES:
        return say("there is no independent forward pass for {kind} models", kind=config.get("model_type"))
    act = activation(config)
    if act not in ((*EXACT_GELU, *TANH_GELU) if config.get("model_type") == "gemma" else ("silu",)):
        return say("its activation {activation} is not known to the independent forward pass", activation=act)
    if (kind := rope_parameters(config)["rope_type"]) not in ROPE_TYPES:
        return say("its position scaling {kind} is not known to the independent forward pass", kind=kind)
    return ""


def activation(config: Mapping[str, Any]) -> str:
    """Return the name of the activation; without a word of it gemma's is gelu by tanh, all others' silu."""
    if config.get("model_type") == "gemma":
        return str(config.get("hidden_activation") or config.get("hidden_act") or TANH_GELU[0])
    return str(config.get("hidden_act") or "silu")


def activate(values: Array, kind: str) -> Array:
    """Return silu, exact gelu or gelu by tanh of `values` (Hendrycks and Gimpel 2016)."""
    if kind == "silu":
        result: Array = values / (1 + np.exp(-values))
    elif kind in EXACT_GELU:
        result = 0.5 * values * (1 + np.vectorize(math.erf, otypes=[np.float64])(values / math.sqrt(2)))
    else:
        result = 0.5 * values * (1 + np.tanh(math.sqrt(2 / math.pi) * (values + 0.044715 * values**3)))
    return result.astype(values.dtype)


def inverse_frequencies(config: Mapping[str, Any], head_dim: int) -> Array:
    """Return the rotary frequencies [head_dim / 2], scaled as the config says."""
    rope = rope_parameters(config)
    plain: Array = rope["rope_theta"] ** (-np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
    if rope["rope_type"] == "linear":
        plain /= float(rope["factor"])
    if rope["rope_type"] != "llama3":
        return plain
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    turns = rope["original_max_position_embeddings"] * plain / (2 * math.pi)
    kept = np.clip((turns - low) / (high - low), 0, 1)
    scaled: Array = plain * (kept + (1 - kept) / float(rope["factor"]))
    return scaled


def rotate(heads: Array, frequencies: Array, neighbours: bool = False) -> Array:
    """Turn [tokens, heads, head_dim] by position: the first half of a head is paired with the second, or each
    even channel with its neighbour.
    """
    angles = np.arange(heads.shape[0])[:, None] * frequencies[None, :]
    cosine, sine = np.cos(angles)[:, None, :], np.sin(angles)[:, None, :]
    first, second = (heads[..., 0::2], heads[..., 1::2]) if neighbours else np.split(heads, 2, axis=-1)
    turned = (first * cosine - second * sine, second * cosine + first * sine)
    joined = np.stack(turned, axis=-1).reshape(heads.shape) if neighbours else np.concatenate(turned, axis=-1)
    return joined.astype(heads.dtype)


def rms_norm(hidden: Array, weight: Array, epsilon: float) -> Array:
    """Return [tokens, hidden] divided by its root mean square, times `weight`."""
    scale = np.sqrt(np.mean(hidden * hidden, axis=-1, keepdims=True) + epsilon)
    normed: Array = hidden / scale * weight
    return normed


def attend(queries: Array, keys: Array, values: Array) -> Array:
    """Return causal attention [tokens, heads * head_dim]; inputs are [tokens, heads, head_dim]."""
    tokens, heads, head_dim = queries.shape
    group = heads // keys.shape[1]
    keys, values = np.repeat(keys, group, axis=1), np.repeat(values, group, axis=1)
    scores = np.einsum("qhd,khd->hqk", queries, keys) / math.sqrt(head_dim)
    scores = np.where(np.tril(np.ones((tokens, tokens), bool)), scores, -np.inf)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    attended: Array = np.einsum("hqk,khd->qhd", shares, values).reshape(tokens, heads * head_dim)
    return attended


class Weights:
    """The tensors of one folder, read when they are asked for."""

    def __init__(self, folder: Path, dtype: DTypeLike) -> None:
        self.entries: dict[str, Entry] = folder_entries(folder)
        self.dtype = dtype

    def __getitem__(self, name: str) -> Array:
        return float_array(self.entries[name]).astype(self.dtype, copy=False)

    def linear(self, hidden: Array, name: str) -> Array:
        """Return `hidden` [tokens, in] through the linear layer `name` ([out, in], with its bias if any)."""
        result: Array = hidden @ self[f"{name}.weight"].T
        return result + self[f"{name}.bias"] if f"{name}.bias" in self.entries else result


def forward(
    folder: Path,
    config: Mapping[str, Any],
    tokens: list[int],
    dtype: DTypeLike = np.float64,
    each_layer: Callable[[int, int], None] = lambda done, total: None,
) -> Array:
    """Return the logits [tokens, vocabulary] of a Hugging Face folder for one row of token ids.

    `each_layer(done, total)` is called after every layer and may raise. Ask `why_not(config)` first.
    """
    weights = Weights(folder, dtype)
    family, heads = config.get("model_type"), int(config["num_attention_heads"])
    head_dim = int(config.get("head_dim", HEAD_WIDTH.get(str(family))) or config["hidden_size"] // heads)
    layers, epsilon = int(config["num_hidden_layers"]), float(config.get("rms_norm_eps", 1e-6))
    frequencies = inverse_frequencies(config, head_dim)
    embedding = weights.entries["model.embed_tokens.weight"]
    hidden = float_array(embedding)[tokens].astype(dtype)
    # Gemma multiplies its embeddings and counts the weights of its norms from one (transformers, GemmaModel).
    gemma, kind, neighbours = family == "gemma", activation(config), family in NEIGHBOURS
    if gemma:
        hidden = hidden * math.sqrt(int(config["hidden_size"]))
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        normed = rms_norm(hidden, weights[f"{prefix}.input_layernorm.weight"] + gemma, epsilon)
        queries, keys, values = (
            weights.linear(normed, f"{prefix}.self_attn.{part}_proj").reshape(len(tokens), -1, head_dim)
            for part in ("q", "k", "v")
        )
        queries, keys = (rotate(part, frequencies, neighbours) for part in (queries, keys))
        attended = attend(queries, keys, values)
        hidden = hidden + weights.linear(attended, f"{prefix}.self_attn.o_proj")
        normed = rms_norm(hidden, weights[f"{prefix}.post_attention_layernorm.weight"] + gemma, epsilon)
        gate = weights.linear(normed, f"{prefix}.mlp.gate_proj")
        gated = activate(gate, kind) * weights.linear(normed, f"{prefix}.mlp.up_proj")
        hidden = hidden + weights.linear(gated, f"{prefix}.mlp.down_proj")
        each_layer(layer + 1, layers)
    hidden = rms_norm(hidden, weights["model.norm.weight"] + gemma, epsilon)
    head = (
        embedding if config.get("tie_word_embeddings", family in TIED) else weights.entries["lm_head.weight"]
    )
    rows = float_array(head)
    starts = range(0, rows.shape[0], VOCABULARY_CHUNK)
    parts = [hidden @ rows[start : start + VOCABULARY_CHUNK].astype(dtype).T for start in starts]
    return np.concatenate(parts, axis=-1)
