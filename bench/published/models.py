"""Architectures of the models that published measurements name, found by loosely written names."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from planner import weights
from planner.facts import ModelFacts, ModelSource
from planner.model_catalogue import find_model

DROPPED = {"hf", "chat", "instruct", "base", "it", "gptq", "awq", "fp8", "bnb", "bf16", "int4", "int8", "en"}
DROPPED |= {
    "meta",
    "sft",
    "pretrain",
    "weights",
    "model",
    "shape",
    "dequantized",
    "linearized",
    "4bit",
    "v0.1",
}
"""Words of a model's name that do not change its shape."""

SHAPE_WORDS = {
    "num_hidden_layers": r"(\d+) layer",
    "hidden_size": r"\bh(?:idden)? (\d+)",
    "num_attention_heads": r"(\d+) heads",
    "intermediate_size": r"\bffn (\d+)",
    "vocab_size": r"\bvocab(?:ulary)? (\d+)",
}
"""How a name may state parts of its shape in words."""


def words(name: str) -> str:
    """Return a name as it is compared: no owner, no brackets, no words that do not matter, no separators."""
    bare = re.sub(r"\(.*?\)|\".*?\"", " ", name.lower()).split("/")[-1]
    bare = re.sub(r"\bcut to .*", "", bare)
    parts = [part for part in re.split(r"[\s\-_:,@]+", bare) if part and part not in DROPPED]
    return re.sub(r"v0\.\d$|\d{4}$", "", "".join(parts))


@cache
def entries() -> dict[str, dict[str, Any]]:
    """Return comparable name -> entry of models.yaml."""
    listed = yaml.safe_load((Path(__file__).parent / "models.yaml").read_text(encoding="utf-8"))
    return {words(name): entry for entry in listed for name in entry["names"]}


def model(name: str) -> ModelFacts | None:
    """Return the architecture that a name means; None if it is unknown.

    A name may state its shape (`24 layers, h 1024`) or a cut (`cut to 12 layers`); both overrule the entry.
    """
    entry = entries().get(words(name)) or nearest(words(name))
    if entry is None:
        known = find_model(name.split("/")[-1])
        return known.facts() if known is not None else None
    stated = {
        field: int(found[1])
        for field, pattern in SHAPE_WORDS.items()
        if (found := re.search(pattern, name.lower()))
    }
    return facts(name, {**entry, **stated})


def nearest(name: str) -> dict[str, Any] | None:
    """Return the entry with the longest name that this one starts with or ends with; None if there is
    none."""
    found = [
        known for known in entries() if len(known) >= 6 and (name.startswith(known) or name.endswith(known))
    ]
    digits = [known for known in found if not name.removeprefix(known)[:1].isdigit()]
    return entries()[max(digits, key=len)] if digits else None


def facts(name: str, entry: dict[str, Any]) -> ModelFacts:
    """Return an entry as the planner's record, with the parameters of its shapes."""
    given = {key: value for key, value in entry.items() if key != "names"}
    heads = given["num_attention_heads"]
    filled = {
        "num_key_value_heads": heads,
        "head_dim": given["hidden_size"] // heads,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
        "parameters_exact": False,
        **given,
    }
    bare = ModelFacts(name=name, source=ModelSource(kind="local", id=name), parameters=1, **filled)
    return bare.model_copy(update={"parameters": parameters(bare)})


def parameters(model: ModelFacts) -> int:
    """Return the weights of embedding, head, positions, linear layers, norms and biases."""
    shapes = weights.all_shapes(model).values()
    linear = sum(shape.weights for shape in shapes)
    norms = (4 if model.norm == "layer" else 2) * model.num_hidden_layers * model.hidden_size
    biased = (model.num_attention_heads + 2 * model.num_key_value_heads) * model.head_dim
    biases = biased * model.num_hidden_layers if model.attention_bias else 0
    positions = model.max_position_embeddings * model.hidden_size if model.position == "learned" else 0
    return weights.embedding(model) + weights.head(model) + linear + norms + biases + positions
