"""Read an adapter folder of an engine without Paddle: what each layer has, and what that adds to its weight.

Covers LoRA with its variants (rank-stabilised, with a mixer, MoRA), VeRA and LoKr. PiSSA as PaddleNLP
writes it does not stand beside unchanged base weights, and prefix tuning and ReFT change no weight; these
are refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.workers import fused_layers
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.tensor_files import entries_of, float_array, folder_entries
from runtime.workers.weight_change import Change, Kronecker, LowRank, Mora, mixed, vera
from runtime.workers.weights_pickle import read_arrays

Array = NDArray[Any]

CONFIGS = {"lora_config.json": "lora", "vera_config.json": "vera", "lokr_config.json": "lokr"}
STAGE_FILE = re.compile(r"\.pp(?P<stage>\d+)\.pdparams$")
BROKEN = {"pissa": "PiSSA as PaddleNLP writes it", "loraga": "LoRA-GA", "do_qat": "quantization-aware LoRA"}
"""Keys of lora_config.json whose adapters do not stand beside unchanged base weights."""


class Adapter(NamedTuple):
    """An adapter as it lies on the disk."""

    method: str
    config: dict[str, Any]
    layers: dict[str, dict[str, Array]]
    """Layer in the engine's names, fused ones cut -> its tensors, such as `lora_A` [in, r] and `lora_B` [r,
    out]; float32."""

    @property
    def scaling(self) -> float:
        """By how much the product is multiplied (paddlenlp/peft: {lora,vera,lokr}_layers.py)."""
        if self.method == "vera":
            return float(self.config["vera_alpha"]) / int(self.config["r"])
        if self.method == "lokr":
            rank = int(self.config["lokr_dim"])
            return float(self.config.get("lokr_alpha") or rank) / rank
        if self.config.get("use_mora"):
            return 1.0
        rank = int(self.config["r"])
        return float(self.config["lora_alpha"]) / (math.sqrt(rank) if self.config.get("rslora") else rank)


def read_adapter(folder: Path) -> Adapter:
    """Return the adapter in `folder`; `RefusedError` if there is none or it cannot be merged."""
    found = [name for name in CONFIGS if (folder / name).is_file()]
    if not found:
        raise RefusedError(
            say("{folder} is no adapter that can be merged.", folder=folder),
            say("Known are LoRA and its variants, VeRA and LoKr."),
        )
    try:
        config: dict[str, Any] = json.loads((folder / found[0]).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RefusedError(say("{path} cannot be read.", path=folder / found[0]), f"{error}.") from None
    for key, name in BROKEN.items():
        if config.get(key):
            raise RefusedError(
                say(
                    "The adapter in {folder} is {name}, which cannot be merged as plain LoRA.",
                    folder=folder,
                    name=name,
                )
            )
    layers: dict[str, dict[str, Array]] = {}
    for name, value in tensors_in(folder).items():
        layer, _, part = name.rpartition(".")
        if not np.isfinite(value).all():
            raise RefusedError(say("The adapter's tensor {name} holds numbers that are none.", name=name))
        layers.setdefault(layer, {})[part] = value
    widths = fused_layers.Widths(**config[fused_layers.KEY]) if fused_layers.KEY in config else None
    return Adapter(CONFIGS[found[0]], config, fused_layers.split_adapter(layers, widths))


def tensors_in(folder: Path) -> dict[str, Array]:
    """Return the tensors of an adapter folder as float32, from safetensors or else from its .pdparams."""
    shards = sorted(folder.glob("peft_model*.safetensors"))
    if shards:
        entries = [item for shard in shards for item in entries_of(shard).items()]
        return {name: float_array(entry).astype(np.float32) for name, entry in entries}
    if stages := stage_files(folder):
        return stages_in(folder, stages)
    files = sorted(folder.glob("*_model_state*.pdparams"))
    if len(files) != 1:
        raise RefusedError(
            say("{folder} holds no adapter weights.", folder=folder),
            say("One *_model_state.pdparams or peft_model*.safetensors should be there."),
        )
    return {name: plain(value) for name, value in read_arrays(files[0]).items()}


def stage_files(folder: Path) -> list[Path]:
    """Return the files that the stages of a pipeline saved; empty where another wrote the folder."""
    files = sorted(folder.glob("*_model_state*.pdparams"))
    return files if files and all(STAGE_FILE.search(path.name) for path in files) else []


def stages_in(folder: Path, files: list[Path]) -> dict[str, Array]:
    """Return the tensors that the stages of a pipeline saved, one file each (trainer.py:2811-2871)."""
    stages = sorted(int(match["stage"]) for path in files if (match := STAGE_FILE.search(path.name)))
    if stages != list(range(len(files))):
        missing = min(set(range(stages[-1])) - set(stages), default=0)
        raise RefusedError(
            say("{folder} lacks the file of pipeline stage {stage}.", folder=folder, stage=missing),
            remedy=say("Copy the files of all processes into one folder."),
        )
    return {name: plain(value) for path in files for name, value in read_arrays(path).items()}


def plain(array: Array) -> Array:
    """Return float32; uint16 holds the bits of bfloat16."""
    if array.dtype == np.uint16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32)


def changes(adapter: Adapter, shapes: Mapping[str, tuple[int, int]]) -> dict[str, Change]:
    """Return layer -> what the adapter adds; `shapes` are (inputs, outputs) of the base's layers."""
    return {layer: change_of(adapter, layer, parts, shapes) for layer, parts in adapter.layers.items()}


def change_of(
    adapter: Adapter, layer: str, parts: dict[str, Array], shapes: Mapping[str, tuple[int, int]]
) -> Change:
    """Return what one layer's adapter adds; `RefusedError` if it lacks a tensor or its layer."""
    if layer not in shapes:
        raise RefusedError(
            say("The adapter changes {name}, which the base model does not have.", name=layer),
            remedy=say("Merge the adapter into the model that it was trained on."),
        )
    scaling = adapter.scaling
    try:
        if adapter.method == "vera":
            return vera(parts["vera_A"], parts["vera_d"], parts["vera_B"], parts["vera_b"], scaling)
        if adapter.method == "lokr":
            w1 = parts["lokr_w1"] if "lokr_w1" in parts else parts["lokr_w1_a"] @ parts["lokr_w1_b"]
            w2 = parts["lokr_w2"] if "lokr_w2" in parts else parts["lokr_w2_a"] @ parts["lokr_w2_b"]
            return Kronecker(w1, w2, scaling)
        if adapter.config.get("use_mora"):
            return Mora(parts["lora_A"], shapes[layer])
        if adapter.config.get("lora_use_mixer"):
            return mixed(parts["lora_A"], parts["lora_AB"], parts["lora_B"], scaling)
        return LowRank(parts["lora_A"], parts["lora_B"], scaling)
    except KeyError as error:
        raise RefusedError(say("The adapter lacks {part} of {layer}.", part=error, layer=layer)) from None


def hf_module(layer: str) -> str:
    """Return Hugging Face's name of a layer: `llama.layers.0...` becomes `model.layers.0...`."""
    return "model." + layer.partition(".")[2]


def changes_by_tensor(adapter: Path, base: Path) -> dict[str, Change]:
    """Return tensor of the Hugging Face folder `base` -> what the adapter adds to it."""
    entries = folder_entries(base)
    read = read_adapter(adapter)
    shapes = {
        layer: (entry.shape[1], entry.shape[0])
        for layer in read.layers
        if (entry := entries.get(f"{hf_module(layer)}.weight")) is not None and len(entry.shape) == 2
    }
    return {f"{hf_module(layer)}.weight": change for layer, change in changes(read, shapes).items()}
