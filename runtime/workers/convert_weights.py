"""Write PaddleNLP's weights from Hugging Face's: other names, linear layers transposed, bits kept.

PaddleNLP can do this itself (`convert_from_torch`), but holds the whole model in memory and writes a second
copy into the folder that it reads. Only its table of names is used here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage
from runtime.workers.tensor_files import (
    SHARD_BYTES,
    Entry,
    Planned,
    folder_entries,
    stored_array,
    write_safetensors,
)

DERIVED = "rotary_emb.inv_freq"
"""End of the names of tensors that old models store although they follow from the config."""


def model_class(config: dict[str, Any]) -> Any:
    """Return PaddleNLP's causal language model class for a config.json; `RefusedError` if it has none."""
    from paddlenlp.transformers import AutoModelForCausalLM

    try:
        found = AutoModelForCausalLM._get_model_class_from_config("", "config.json", dict(config))
    except Exception:
        found = None
    if found is None or not getattr(found, "__name__", "").endswith("ForCausalLM"):
        raise RefusedError(
            say(
                "PaddleNLP has no causal language model for a model of type {kind}.",
                kind=config.get("model_type"),
            ),
            remedy=say("Choose a model of a family that it supports, such as llama, qwen2 or mistral."),
        )
    return found


def plan_tensors(entries: dict[str, Entry], mappings: list[Any], tied: bool) -> list[Planned]:
    """Return what to write, in the source's order; `RefusedError` unless every source tensor has its place.

    `mappings` are PaddleNLP's (source_name, target_name, action). Tensors that the mapping names and the
    source lacks are left to the loading of the result, which refuses a model with a missing weight.
    """
    by_source = {mapping.source_name: mapping for mapping in mappings}
    spare = {"lm_head.weight"} if tied else set()
    unknown = [
        name for name in entries if name not in by_source and name not in spare and DERIVED not in name
    ]
    if unknown:
        raise RefusedError(
            say(
                "PaddleNLP's model has no place for {count} weights, the first is {first}.",
                count=len(unknown),
                first=unknown[0],
            ),
            say("Leaving them out would give another model."),
        )
    planned = []
    for name, entry in entries.items():
        if name not in by_source or DERIVED in name:
            continue
        action = by_source[name].action
        if action not in (None, "transpose"):
            raise RefusedError(
                say(
                    "PaddleNLP wants the weight {name} changed by {action!r}, which is not supported.",
                    name=name,
                    action=action,
                )
            )
        planned.append(Planned(by_source[name].target_name, entry, action == "transpose"))
    return planned


def write_weights(planned: list[Planned], folder: Path, stage: Stage, shard_bytes: int = SHARD_BYTES) -> None:
    """Write the weight files, and an index for more than one, with one tensor in memory."""

    def each(done: int, total: int) -> None:
        stage.emitter.progress(done, total, "bytes", "writing weights")
        stage.check_stop()

    write_safetensors(planned, folder, "np", each, shard_bytes)


def write_config(view: Path, model: Any, planned: list[Planned], folder: Path) -> None:
    """Write config.json and generation_config.json as PaddleNLP saves them."""
    from paddlenlp.transformers import AutoConfig

    config = AutoConfig.from_pretrained(str(view))
    config.architectures = [model.__name__]
    stored = max(
        (tensor.source.dtype for tensor in planned), key=[tensor.source.dtype for tensor in planned].count
    )
    config.dtype = {"F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16"}[stored]
    config.save_pretrained(str(folder))
    generation = view / "generation_config.json"
    if generation.exists():
        values = json.loads(generation.read_text(encoding="utf-8"))
        (folder / generation.name).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def differing_weights(planned: list[Planned], folder: Path, stage: Stage) -> list[str]:
    """Return the names of written tensors whose bits are not their source's; both files are read again."""
    written = folder_entries(folder)
    wrong = []
    for done, tensor in enumerate(planned, start=1):
        found = written.get(tensor.name)
        if (
            found is None
            or (found.dtype, found.shape) != (tensor.source.dtype, tensor.shape)
            or not np.array_equal(_bits(stored_array(found)), _bits(tensor.value()))
        ):
            wrong.append(tensor.name)
        stage.emitter.progress(done, len(planned), "tensors", say("comparing every weight"))
        stage.check_stop()
    return wrong + sorted(set(written) - {tensor.name for tensor in planned})


def _bits(array: Any) -> Any:
    """Return the array's bits as integers, so that equal NaNs are equal."""
    whole = np.ascontiguousarray(array)
    return whole.view({2: np.uint16, 4: np.uint32, 8: np.uint64}[whole.dtype.itemsize])
