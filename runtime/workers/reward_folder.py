"""A reward model as a Hugging Face folder: `...ForSequenceClassification` with one label, and back.

`transformers` (`AutoModelForSequenceClassification`) and vLLM load it; the score of a text is that of its
last token, as a chat template ends it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddlenlp.transformers import AutoConfig
from safetensors import safe_open

from runtime.workers import reward_model
from runtime.workers.convert_weights import model_class
from runtime.workers.hf_folder import (
    SHARD_BYTES,
    Given,
    Weight,
    copy_companions,
    original_tensors,
    plan_shards,
    rounded,
    sync,
    weights,
    write_weights,
)
from runtime.workers.hf_load import linked_view
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

GENERATION = "generation_config.json"
"""Of no use to a model that writes nothing."""


def given_for(found: list[Weight], original: str | Path) -> dict[str, Given]:
    """Return shape and precision of every tensor to write: those of the original, and the head's.

    Raises `RefusedError` unless the blocks are exactly the original's.
    """
    given = original_tensors(original)
    blocks = {
        name: tensor
        for name, tensor in given.items()
        if name != "lm_head.weight" and not name.endswith("rotary_emb.inv_freq")
    }
    names = {weight.name for weight in found} - {reward_model.HEAD}
    if strange := sorted(names ^ set(blocks)):
        raise RefusedError(
            say(
                "{count} weights do not correspond to the original model's, the first is {first}.",
                count=len(strange),
                first=strange[0],
            )
        )
    width = next(weight for weight in found if weight.name == reward_model.HEAD).layer.weight.shape[0]
    return blocks | {reward_model.HEAD: Given((1, int(width)), next(iter(blocks.values())).dtype)}


def write(
    model: Any,
    original: str | Path,
    folder: str | Path,
    each_tensor: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Given]:
    """Write a reward model into the new `folder`; return what each tensor was written as.

    `original` is the Hugging Face folder of the language model that it came from. The caller renames the
    folder into place.
    """
    original, folder = Path(original), Path(folder)
    found = list(weights(model))
    given = given_for(found, original)
    folder.mkdir(parents=True)
    copy_companions(original, folder, without=(GENERATION, "config.json"))
    config = config_of(original, model)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    write_weights(plan_shards(found, given, SHARD_BYTES), given, folder, each_tensor)
    sync(folder)
    return given


def config_of(original: Path, model: Any) -> dict[str, Any]:
    """Return the original's config.json as that of a reward model."""
    config: dict[str, Any] = json.loads((original / "config.json").read_text(encoding="utf-8"))
    config.pop("auto_map", None)  # names code of the language model, which nobody is to run for another class
    return config | {
        "architectures": [type(model).__name__],
        "num_labels": 1,
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
        "pad_token_id": pad_token(model),
        "tie_word_embeddings": False,
    }


def pad_token(model: Any) -> int:
    """Return the padding token, which loaders need to find a text's last token in a batch."""
    config = model.config
    found = next((token for token in (config.pad_token_id, config.eos_token_id) if token is not None), 0)
    return int(found[0] if isinstance(found, (list, tuple)) else found)


def take_rounded(model: Any, given: dict[str, Given]) -> bool:
    """Give the live model the weights as its files hold them; return whether that changed their precision."""
    if all(tensor.dtype == "F32" for tensor in given.values()):
        return False
    for weight in list(weights(model)):
        array = rounded(weight.value(), given[weight.name].dtype).astype(np.float32)
        put(weight, array)
    return True


def put(weight: Weight, array: np.ndarray) -> None:
    """Set a weight of a live model from an array in Hugging Face's orientation."""
    parameter = getattr(weight.layer, weight.parameter)
    value = np.ascontiguousarray(array.T if weight.transposed else array)
    parameter.set_value(paddle.to_tensor(value).astype(parameter.dtype))


def load(folder: str | Path, dtype: str = "float32") -> Any:
    """Return the reward model of a Hugging Face folder in eval mode; every weight must be there, and no
    other."""
    folder = Path(folder)
    with linked_view(folder) as view:
        config = AutoConfig.from_pretrained(str(view))
        kind = reward_model.scorer_class(model_class(reward_model.as_causal(config.to_dict())))
    config.dtype = dtype
    config.tie_word_embeddings = False
    paddle.set_default_dtype(dtype)
    try:
        model = kind(config)
    finally:
        paddle.set_default_dtype("float32")
    wanted = {weight.name: weight for weight in weights(model)}
    files = sorted(folder.glob("*.safetensors"))
    seen = set()
    for path in files:
        with safe_open(str(path), framework="np") as file:
            for name in file.keys():  # noqa: SIM118  This is no dict: it has no iterator of its own.
                if name in wanted:
                    put(wanted[name], file.get_tensor(name).astype(np.float32))
                seen.add(name)
    if strange := sorted(seen ^ set(wanted)):
        raise RefusedError(
            say(
                "The reward model in {folder} is not whole: {count} weights are missing or strange, the "
                "first is {first}.",
                folder=folder,
                count=len(strange),
                first=strange[0],
            )
        )
    model.eval()
    return model
