"""Linear layers that an engine keeps as one where a Hugging Face folder has several: whose is which output.

PaddleFormers 1.2.0 keeps one `qkv_proj` and one `up_gate_proj` per block of ERNIE-4.5. Per key head,
`qkv_proj` gives the queries of its group, then its key, then its value (the reshape and the split in
transformers/ernie4_5/modeling.py:287-301); `up_gate_proj` gives the gate first (nn/mlp.py:113). NumPy only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

Array = NDArray[Any]

FAMILIES = ("ernie4_5",)
"""Values of `model_type` whose layers are fused."""

ATTENTION, MLP = "qkv_proj", "up_gate_proj"

KEY = "fused_layers"
"""Where lora_config.json says the widths, so that an adapter can be cut without its base model."""


class Part(NamedTuple):
    """What Hugging Face keeps as a layer of its own."""

    name: str
    outputs: Array
    """Which outputs of the fused layer it gives, in the order of its rows."""


class Widths(NamedTuple):
    """What decides where a fused layer is cut."""

    heads: int
    key_heads: int
    head_width: int
    inner: int
    """Width of the MLP."""


def widths_of(config: Mapping[str, Any]) -> Widths | None:
    """Return the widths of a config.json of Hugging Face's; None for a family whose layers are not fused."""
    if config.get("model_type") not in FAMILIES:
        return None
    heads = int(config["num_attention_heads"])
    head_width = int(config.get("head_dim", 128) or config["hidden_size"] // heads)
    return Widths(
        heads, int(config.get("num_key_value_heads") or heads), head_width, int(config["intermediate_size"])
    )


def is_fused(layer: str) -> bool:
    """Return whether a layer of this name is several of Hugging Face's."""
    return layer.rpartition(".")[2] in (ATTENTION, MLP)


def parts_of(layer: str, widths: Widths | None) -> tuple[Part, ...]:
    """Return what the layer is in Hugging Face's names; empty where it is the very same layer there."""
    if widths is None or not is_fused(layer):
        return ()
    block, _, name = layer.rpartition(".")
    if name == MLP:
        outputs = np.arange(2 * widths.inner)
        return tuple(
            Part(f"{block}.{half}_proj", outputs[start : start + widths.inner])
            for half, start in (("gate", 0), ("up", widths.inner))
        )
    group = widths.heads // widths.key_heads
    every = np.arange((widths.heads + 2 * widths.key_heads) * widths.head_width)
    grid = every.reshape(widths.key_heads, group + 2, widths.head_width)
    cuts = {"q": grid[:, :group], "k": grid[:, group], "v": grid[:, group + 1]}
    return tuple(Part(f"{block}.{letter}_proj", outputs.ravel()) for letter, outputs in cuts.items())


def split_adapter(
    layers: Mapping[str, dict[str, Array]], widths: Widths | None
) -> dict[str, dict[str, Array]]:
    """Return the layers of a LoRA adapter (`lora_A` [in, r], `lora_B` [r, out]) in Hugging Face's names.

    Layers that were one share their A, and each has its columns of B. Raises `RefusedError` for a fused
    layer when it is not known where to cut.
    """
    split: dict[str, dict[str, Array]] = {}
    for layer, tensors in layers.items():
        parts = parts_of(layer, widths)
        if is_fused(layer) and not parts:
            raise RefusedError(
                say(
                    "The adapter changes the fused layer {layer}, and nothing says where it is to be cut.",
                    layer=layer,
                ),
                remedy=say("Use the merged model of the run instead."),
            )
        if not parts:
            split[layer] = tensors
        for part in parts:
            split[part.name] = {**tensors, "lora_B": tensors["lora_B"][:, part.outputs]}
    return split
