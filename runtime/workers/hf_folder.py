"""Write a model that lives in PaddleNLP as a standard Hugging Face folder.

Paddle's own safetensors are no such thing: its linear weights are [in, out] where Hugging Face has [out,
in]. Square ones load there without a complaint and compute nonsense. Which weights are linear is told by
the module that owns them, never by their shape. The original folder is the authority on everything else:
names, shapes and precision of the tensors, config, tokenizer, chat template and generation config.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from paddle import nn
from safetensors import safe_open
from safetensors.numpy import save_file

from runtime.workers.adapter import merged_weight
from runtime.workers.chat_template_file import JINJA, TemplateFileError, template_text
from runtime.workers.chat_template_file import JSON as TEMPLATE_JSON
from runtime.workers.hf_load import tied_names
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

SHARD_BYTES = 5_000_000_000
"""Largest weight file, as on the hubs."""

COMPANIONS = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    JINJA,
    "LICENSE",
    "LICENSE.txt",
)
"""Files that are copied from the original folder as they are."""

ITEM_BYTES = {"F32": 4, "BF16": 2, "F16": 2}


class Given(NamedTuple):
    """A tensor of the original folder, as its header says."""

    shape: tuple[int, ...]
    dtype: str


class Weight(NamedTuple):
    """A weight of the live model and what becomes of it."""

    name: str
    layer: Any
    parameter: str
    transposed: bool

    def value(self) -> np.ndarray:
        """Return float32 values in Hugging Face's orientation, with any adapter merged in."""
        tensor = (
            merged_weight(self.layer) if self.parameter == "weight" else getattr(self.layer, self.parameter)
        )
        array: np.ndarray = tensor.astype("float32").numpy()
        return array.T if self.transposed else array


def original_tensors(folder: str | Path) -> dict[str, Given]:
    """Return name -> shape and precision of every tensor in the original folder; only headers are read."""
    given: dict[str, Given] = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(str(path), framework="np") as file:
            for name in file.keys():  # noqa: SIM118  This is no dict: it has no iterator of its own.
                part = file.get_slice(name)
                given[name] = Given(tuple(part.get_shape()), part.get_dtype())
    if not given:
        raise RefusedError(say("{folder} holds no safetensors weights.", folder=folder))
    return given


def is_transposed(layer: Any, parameter: str, shape: tuple[int, ...], name: str) -> bool:
    """Return whether PaddleNLP keeps this weight as [in, out] while Hugging Face keeps [out, in]."""
    if len(shape) < 2 or parameter != "weight":
        return False
    if isinstance(layer, nn.Linear):
        return True
    if isinstance(layer, nn.Embedding):
        return False
    if hasattr(layer, "transpose_y"):  # PaddleNLP's output heads, which are linear but no nn.Linear
        return not layer.transpose_y
    from paddlenlp.transformers.mistral.modeling import MistralLMHead  # here: the other engine has none

    if isinstance(layer, MistralLMHead):  # mistral/modeling.py:789 keeps [hidden, vocabulary] in every case
        return True
    raise RefusedError(
        say(
            "The weight {name} belongs to a {kind}, whose orientation is not known.",
            name=name,
            kind=type(layer).__name__,
        )
    )


def weights(causal: Any) -> Iterator[Weight]:
    """Yield the weights of a PaddleNLP causal language model under their Hugging Face names."""
    tied = tied_names(causal)
    prefix = f"{causal.base_model_prefix}."
    for layer_name, layer in causal.named_sublayers(include_self=True):
        for parameter, tensor in layer.named_parameters(include_sublayers=False):
            name = f"{layer_name}.{parameter}".lstrip(".")
            if name in tied or parameter.startswith(("lora_", "vera_", "lokr_")):
                continue
            transposed = is_transposed(layer, parameter, tuple(tensor.shape), name)
            standard = f"model.{name.removeprefix(prefix)}" if name.startswith(prefix) else name
            yield Weight(standard, layer, parameter, transposed)


def check_against_original(found: list[Weight], given: dict[str, Given], tied: bool) -> None:
    """Raise `RefusedError` unless the weights are exactly those of the original folder, in name and shape."""
    spare = {name for name in given if name.endswith("rotary_emb.inv_freq")} | (
        {"lm_head.weight"} if tied else set()
    )
    names = {weight.name for weight in found}
    if strange := sorted(names ^ (set(given) - spare)):
        raise RefusedError(
            say(
                "{count} weights do not correspond to the original model's, the first is {first}.",
                count=len(strange),
                first=strange[0],
            ),
            say("The trained model has another structure than the original Hugging Face folder."),
        )
    for weight in found:
        shape = tuple(getattr(weight.layer, weight.parameter).shape)
        shape = shape[::-1] if weight.transposed else shape
        if shape != given[weight.name].shape:
            raise RefusedError(
                say(
                    "{name} is {shape}, in the original folder it is {wanted}.",
                    name=weight.name,
                    shape=shape,
                    wanted=given[weight.name].shape,
                )
            )


def check_ties(original: Path, tied: bool) -> None:
    """Raise `RefusedError` if only one of the two shares its output head with the embedding."""
    config = json.loads((original / "config.json").read_text(encoding="utf-8"))
    if bool(config.get("tie_word_embeddings", tied)) != tied:
        raise RefusedError(
            say("The trained model and the original Hugging Face folder do not correspond."),
            say("One shares its output head with the embedding, the other has a head of its own."),
        )


def rounded(array: np.ndarray, dtype: str) -> np.ndarray:
    """Return `array`, contiguous, in a safetensors precision: F32, BF16 or F16."""
    if dtype == "BF16":
        import ml_dtypes  # type: ignore[import-not-found]  # comes with the engine

        return np.ascontiguousarray(array, dtype=ml_dtypes.bfloat16)
    return np.ascontiguousarray(array, dtype={"F32": np.float32, "F16": np.float16}[dtype])


def plan_shards(found: list[Weight], given: dict[str, Given], limit: int) -> list[list[Weight]]:
    """Distribute the weights over files of at most `limit` bytes, in the model's order."""
    shards: list[list[Weight]] = [[]]
    used = 0
    for weight in found:
        size = int(np.prod(given[weight.name].shape)) * ITEM_BYTES[given[weight.name].dtype]
        if shards[-1] and used + size > limit:
            shards.append([])
            used = 0
        shards[-1].append(weight)
        used += size
    return shards


def sync(path: Path) -> None:
    """Force a file's or folder's contents to the disk, so that the rename after it cannot come first."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_weights(
    shards: list[list[Weight]],
    given: dict[str, Given],
    folder: Path,
    each_tensor: Callable[[int, int], None],
) -> None:
    """Write the weight files, and an index for more than one. One shard at a time is held in memory."""
    total = sum(len(shard) for shard in shards)
    done = total_bytes = 0
    index: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = (
            "model.safetensors"
            if len(shards) == 1
            else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        )
        tensors: dict[str, np.ndarray] = {}
        for weight in shard:
            tensors[weight.name] = rounded(weight.value(), given[weight.name].dtype)
            total_bytes += tensors[weight.name].nbytes
            index[weight.name] = name
            done += 1
            each_tensor(done, total)
        save_file(tensors, str(folder / name), metadata={"format": "pt"})
        sync(folder / name)
    if len(shards) > 1:
        text = json.dumps(
            {"metadata": {"total_size": total_bytes}, "weight_map": index}, indent=2, sort_keys=True
        )
        (folder / "model.safetensors.index.json").write_text(text + "\n", encoding="utf-8")


def copy_companions(original: Path, folder: Path, without: Collection[str] = ()) -> None:
    """Copy config, tokenizer and what else belongs to a model besides its weights; files that are there stay.

    A chat template in a JSON file, which other tools overlook, becomes `chat_template.jinja`.
    """
    for name in COMPANIONS:
        if (original / name).is_file() and name not in without and not (folder / name).exists():
            shutil.copyfile(original / name, folder / name)
            sync(folder / name)
    write_template(original, folder)


def write_template(original: Path, folder: Path) -> None:
    """Write `chat_template.jinja` where the original has its template in a JSON file."""
    if not (original / TEMPLATE_JSON).is_file() or (folder / JINJA).exists():
        return
    try:
        text = template_text(original)
    except TemplateFileError as error:
        raise RefusedError(str(error)) from error
    (folder / JINJA).write_text(text or "", encoding="utf-8")
    sync(folder / JINJA)


def write_hf_folder(
    causal: Any,
    original: str | Path,
    folder: str | Path,
    *,
    shard_bytes: int = SHARD_BYTES,
    each_tensor: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write `causal` (a PaddleNLP model, with or without LoRA layers in it) into the new, empty `folder`.

    `original` is the Hugging Face folder that the model came from; each tensor gets the precision it has
    there. `each_tensor(done, total)` is called after each one and may raise. The caller renames the folder
    into place.
    """
    original, folder = Path(original), Path(folder)
    given = original_tensors(original)
    found = list(weights(causal))
    tied = bool(causal.config.tie_word_embeddings)
    check_ties(original, tied)
    check_against_original(found, given, tied)
    folder.mkdir(parents=True)
    copy_companions(original, folder)
    write_weights(plan_shards(found, given, shard_bytes), given, folder, each_tensor)
    sync(folder)


def put_in_place(partial: Path, destination: Path) -> None:
    """Rename a finished folder to its name; an older one of that name is removed once the new one stands."""
    old = destination.with_name(f".{destination.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if destination.exists():
        destination.rename(old)
    partial.rename(destination)
    sync(destination.parent)
    shutil.rmtree(old, ignore_errors=True)
