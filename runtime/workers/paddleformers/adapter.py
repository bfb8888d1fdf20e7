"""A LoRA adapter of PaddleFormers on the disk: written whole, read back number by number.

The files are the toolkit's own: `lora_config.json`, `peft_model-00001-of-00001.safetensors` with its index.
A is [in, r], B is [r, out], the scaling alpha / r (rsLoRA: alpha / sqrt r).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from runtime.workers import fused_layers
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

CONFIG = "lora_config.json"
WEIGHTS = "peft_model-00001-of-00001.safetensors"
INDEX = "peft_model.safetensors.index.json"


def trained_tensors(model: Any) -> dict[str, np.ndarray]:
    """Return the adapter's tensors of a live `LoRAModel` by name, float32 where NumPy has no bfloat16."""
    state = model.model.state_dict()
    return {
        name: state[name].astype("float32").numpy() for name in state if "lora_" in name.rsplit(".", 1)[-1]
    }


def write(model: Any, folder: Path) -> None:
    """Write config, tensors and index of a live `LoRAModel` as the toolkit's own loader reads them."""
    tensors = trained_tensors(model)
    model.lora_config.save_pretrained(str(folder))
    if widths := fused_layers.widths_of(model.model.config.to_dict()):
        say_widths(folder / CONFIG, widths)
    save_file(tensors, str(folder / WEIGHTS), metadata={"format": "np"})
    index = {
        "metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())},
        "weight_map": dict.fromkeys(sorted(tensors), WEIGHTS),
    }
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def say_widths(path: Path, widths: fused_layers.Widths) -> None:
    """Add to lora_config.json where fused layers are to be cut; the toolkit passes over keys that it does not
    know (peft/lora/lora_config.py:145).
    """
    values = json.loads(path.read_text(encoding="utf-8"))
    values[fused_layers.KEY] = widths._asdict()
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_config(folder: str | Path) -> dict[str, Any]:
    """Return lora_config.json; raises `RefusedError` when it cannot be read or contradicts itself."""
    path = Path(folder) / CONFIG
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        root = float(values["r"]) ** 0.5 if values.get("rslora") else float(values["r"])
        scaling = float(values["lora_alpha"]) / root
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise RefusedError(
            say("{path} cannot be read, so {folder} is no LoRA adapter.", path=path, folder=folder),
            f"{type(error).__name__}: {error}",
        ) from error
    if values.get("loraga"):
        raise RefusedError(
            say("The adapter in {folder} is LoRA-GA, which cannot be merged as plain LoRA.", folder=folder)
        )
    if "scaling" in values and not np.isclose(values["scaling"], scaling):
        raise RefusedError(
            say(
                "lora_config.json in {folder} contradicts itself: scaling is {given}, but rank {rank} and "
                "alpha {alpha} give {scaling}.",
                folder=folder,
                given=values["scaling"],
                rank=values["r"],
                alpha=values["lora_alpha"],
                scaling=scaling,
            )
        )
    return {**values, "scaling": scaling}


def read_tensors(folder: str | Path) -> dict[str, np.ndarray]:
    """Return the adapter's tensors by name."""
    shards = sorted(Path(folder).glob("peft_model*.safetensors"))
    if not shards:
        raise RefusedError(say("{folder} holds no adapter weights (peft_model*.safetensors).", folder=folder))
    tensors: dict[str, np.ndarray] = {}
    for shard in shards:
        tensors.update(load_file(str(shard)))
    return tensors


def attach(base: Any, folder: str | Path) -> Any:
    """Return a `LoRAModel` of `base` with the adapter in `folder`, in eval mode, every tensor arrived."""
    import paddle
    from paddleformers.peft import LoRAConfig, LoRAModel

    read_config(folder)
    config = LoRAConfig.from_pretrained(str(folder))
    config.dtype = str(base.lm_head.weight.dtype).removeprefix("paddle.")
    model = LoRAModel(base, config)
    tensors, state = read_tensors(folder), model.model.state_dict()
    wanted = {name for name in state if "lora_" in name.rsplit(".", 1)[-1]}
    if strange := sorted(wanted ^ set(tensors)):
        raise RefusedError(
            say(
                "The adapter in {folder} does not belong to this model: {count} tensors have no counterpart, "
                "the first is {first}.",
                folder=folder,
                count=len(strange),
                first=strange[0],
            )
        )
    for name, given in tensors.items():
        if tuple(state[name].shape) != given.shape:
            raise RefusedError(
                say(
                    "The adapter's tensor {name} is {shape}, the model wants {wanted}.",
                    name=name,
                    shape=given.shape,
                    wanted=tuple(state[name].shape),
                )
            )
        state[name].set_value(paddle.to_tensor(given).astype(state[name].dtype))
    model.eval()
    return model
