"""Put a trained LoRA adapter onto a base model, and make sure that all of it arrived."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from runtime.workers.refusal import RefusedError

UNSUPPORTED = {
    "pissa": "PiSSA",
    "use_mora": "MoRA",
    "loraga": "LoRA-GA",
    "lora_use_mixer": "mixture-of-subspaces LoRA",
    "do_qat": "quantization-aware LoRA",
}
"""Keys of lora_config.json whose adapters are not a product of two matrices on unchanged base weights."""


def read_config(folder: str | Path) -> dict[str, Any]:
    """Return the adapter's own lora_config.json; raises `RefusedError` when it cannot be merged from it."""
    path = Path(folder) / "lora_config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RefusedError(f"{path} cannot be read, so {folder} is no LoRA adapter.", str(error)) from error
    for key, name in UNSUPPORTED.items():
        if config.get(key):
            raise RefusedError(f"The adapter in {folder} is {name}, which cannot be merged as plain LoRA.")
    return config


def read_tensors(folder: str | Path) -> dict[str, np.ndarray]:
    """Return the adapter's tensors by name: from safetensors, else from PaddleNLP's own file."""
    folder = Path(folder)
    shards = sorted(folder.glob("peft_model*.safetensors"))
    if shards:
        from safetensors.numpy import load_file

        tensors: dict[str, np.ndarray] = {}
        for shard in shards:
            tensors.update(load_file(str(shard)))
        return tensors
    path = folder / "lora_model_state.pdparams"
    if not path.exists():
        raise RefusedError(
            f"{folder} holds no adapter weights (lora_model_state.pdparams or peft_model*.safetensors)."
        )
    return dict(paddle.load(str(path), return_numpy=True))


def attach(base: Any, folder: str | Path) -> Any:
    """Return a `LoRAModel` of `base` with the adapter in `folder`, in eval mode, at the adapter's own scale.

    PaddleNLP only logs when the adapter's weights are absent and goes on with fresh ones, and it skips
    names that it does not know. So afterwards every tensor of the adapter must be found in the model, and
    the other way round.
    """
    from paddlenlp.peft import LoRAConfig, LoRAModel

    written = read_config(folder)
    config = LoRAConfig.from_pretrained(str(folder))
    config.dtype = str(base.lm_head.weight.dtype).removeprefix("paddle.")
    if "scaling" in written and not np.isclose(written["scaling"], config.scaling):
        raise RefusedError(
            f"lora_config.json in {folder} contradicts itself: scaling is {written['scaling']}, "
            f"but rank {config.r} and alpha {config.lora_alpha} give {config.scaling}."
        )
    model = LoRAModel.from_pretrained(base, str(folder), lora_config=config)
    model.eval()
    check_consumed(model, read_tensors(folder))
    return model


def check_consumed(model: Any, tensors: dict[str, np.ndarray]) -> None:
    """Raise `RefusedError` unless `model` holds exactly the adapter `tensors`, value by value."""
    state = model.model.state_dict()
    wanted = {name for name in state if "lora_" in name.rsplit(".", 1)[-1]}
    if missing := sorted(wanted - set(tensors)):
        raise RefusedError(
            f"The adapter lacks {len(missing)} of {len(wanted)} tensors, the first is {missing[0]}."
        )
    for name, tensor in tensors.items():
        if name not in state:
            raise RefusedError(f"The adapter's tensor {name} belongs to no layer of the base model.")
        held = state[name]
        if tuple(held.shape) != tensor.shape:
            raise RefusedError(
                f"The adapter's tensor {name} is {tensor.shape}, the model wants {tuple(held.shape)}."
            )
        if not np.array_equal(held.numpy(), paddle.to_tensor(tensor).astype(held.dtype).numpy()):
            raise RefusedError(f"The adapter's tensor {name} did not arrive in the model.")


def merged_weight(layer: Any) -> paddle.Tensor:
    """Return W + A·B·scaling [in, out] of a LoRA layer, the plain weight of any other; changes nothing."""
    weight = layer.weight
    if not hasattr(layer, "lora_A"):
        return weight
    with paddle.no_grad():
        return weight + paddle.matmul(layer.lora_A, layer.lora_B) * layer.scaling
