"""A model's facts from its config.json, without its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.errors import BadInput
from planner.facts import ModelFacts, ModelSource

REQUIRED = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
"""Keys without which nothing can be planned."""

BIASED_ATTENTION = ("qwen2",)
"""Architectures whose query, key and value projections always have a bias."""


def from_config(
    config: Mapping[str, Any],
    name: str,
    source: ModelSource,
    parameters: int | None = None,
    has_chat_template: bool = True,
) -> ModelFacts:
    """Return the facts of the model that `config` (a parsed config.json) describes.

    `parameters` is the exact number of weights where it is known (from weight headers or the hub); otherwise
    it is computed from the shapes, which is exact for llama, qwen2 and mistral. Raises BadInput naming the
    field that is missing or no positive number.
    """
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or not model_type:
        raise BadInput(f"The config.json of {name} has no model_type.", why="It is not a language model's.")
    for key in REQUIRED:
        value = config.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise BadInput(
                f"The config.json of {name} has no usable {key} (found {value!r}).",
                why=f"Steersman plans for models with one transformer stack; this one is {model_type}.",
            )
    hidden_size, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    facts = ModelFacts(
        name=name,
        source=source,
        model_type=model_type,
        parameters=parameters or 1,
        num_hidden_layers=config["num_hidden_layers"],
        hidden_size=hidden_size,
        intermediate_size=config["intermediate_size"],
        num_attention_heads=heads,
        num_key_value_heads=int(config.get("num_key_value_heads") or heads),
        head_dim=int(config.get("head_dim") or hidden_size // heads),
        vocab_size=config["vocab_size"],
        max_position_embeddings=int(config.get("max_position_embeddings") or 2048),
        tie_word_embeddings=bool(config.get("tie_word_embeddings", False)),
        has_chat_template=has_chat_template,
    )
    if parameters:
        return facts
    biased = model_type in BIASED_ATTENTION or bool(config.get("attention_bias"))
    return facts.model_copy(update={"parameters": count_weights(facts, attention_bias=biased)})


def count_weights(facts: ModelFacts, *, attention_bias: bool) -> int:
    """Return the number of weights of a llama-like model with the shapes in `facts`, tied embeddings once."""
    hidden = facts.hidden_size
    queries, keys = facts.num_attention_heads * facts.head_dim, facts.num_key_value_heads * facts.head_dim
    attention = 2 * hidden * queries + 2 * hidden * keys + (queries + 2 * keys if attention_bias else 0)
    layer = attention + 3 * hidden * facts.intermediate_size + 2 * hidden
    embeddings = facts.vocab_size * hidden * (1 if facts.tie_word_embeddings else 2)
    return embeddings + facts.num_hidden_layers * layer + hidden
