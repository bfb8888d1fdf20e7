"""Put a trained adapter onto a base model, make sure that all of it arrived, and read the merged weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from runtime.workers import adapter_files
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.toolkit import is_paddleformers

UNSUPPORTED = {
    "pissa": "PiSSA as PaddleNLP writes it",
    "loraga": "LoRA-GA",
    "do_qat": "quantization-aware LoRA",
}
"""Keys of lora_config.json whose adapters do not stand beside unchanged base weights."""

ADAPTED = ("lora_A", "vera_A", "lokr_w1", "lokr_w1_a")
"""Weights that only an adapted layer has: of LoRA and its variants, VeRA, and LoKr in its two forms."""

ROWS = 512
"""Rows of the identity that are pushed through a layer at once: little memory beside the layer's own."""


def read_config(folder: str | Path) -> dict[str, Any]:
    """Return the adapter's own lora_config.json; raises `RefusedError` when it cannot be merged from it."""
    path = Path(folder) / "lora_config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RefusedError(
            say("{path} cannot be read, so {folder} is no LoRA adapter.", path=path, folder=folder),
            str(error),
        ) from error
    for key, name in UNSUPPORTED.items():
        if config.get(key):
            raise RefusedError(
                say(
                    "The adapter in {folder} is {name}, which cannot be merged as plain LoRA.",
                    folder=folder,
                    name=name,
                )
            )
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
    if not path.exists() and (stages := adapter_files.stage_files(folder)):
        return adapter_files.stages_in(folder, stages)
    if not path.exists():
        raise RefusedError(
            say(
                "{folder} holds no adapter weights (lora_model_state.pdparams or peft_model*.safetensors).",
                folder=folder,
            )
        )
    return dict(paddle.load(str(path), return_numpy=True))


def attach(base: Any, folder: str | Path) -> Any:
    """Return `base` with the adapter in `folder`, whatever its method, in eval mode."""
    if is_paddleformers():
        from runtime.workers.paddleformers.adapter import attach as attach_flex

        return attach_flex(base, folder)
    from runtime.workers import tuning  # imports PaddleNLP's trainers, which no plain LoRA needs

    files = tuning.files_in(folder)
    if files is None:
        return attach_lora(base, folder)
    try:
        model = files.from_folder(base, Path(folder))
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise RefusedError(
            say("The {title} adapter in {folder} cannot be read.", title=files.title, folder=folder),
            str(error),
        ) from error
    tuning.read(model, folder)
    model.eval()
    return model


def attach_lora(base: Any, folder: str | Path) -> Any:
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
            say(
                "lora_config.json in {folder} contradicts itself: scaling is {written}, but rank {r} and "
                "alpha {lora_alpha} give {scaling}.",
                folder=folder,
                written=written["scaling"],
                r=config.r,
                lora_alpha=config.lora_alpha,
                scaling=config.scaling,
            )
        )
    model = LoRAModel.from_pretrained(base, str(folder), lora_config=config)
    model.eval()
    tensors = read_tensors(folder)
    if adapter_files.stage_files(Path(folder)):  # PaddleNLP reads them in a pipeline of as many stages only
        model.model.set_state_dict({name: paddle.to_tensor(value) for name, value in tensors.items()})
    check_consumed(model, tensors)
    return model


def check_consumed(model: Any, tensors: dict[str, np.ndarray]) -> None:
    """Raise `RefusedError` unless `model` holds exactly the adapter `tensors`, value by value."""
    state = model.model.state_dict()
    wanted = {name for name in state if "lora_" in name.rsplit(".", 1)[-1]}
    if missing := sorted(wanted - set(tensors)):
        raise RefusedError(
            say(
                "The adapter lacks {count} of {total} tensors, the first is {first}.",
                count=len(missing),
                total=len(wanted),
                first=missing[0],
            )
        )
    for name, tensor in tensors.items():
        if name not in state:
            raise RefusedError(
                say("The adapter's tensor {name} belongs to no layer of the base model.", name=name)
            )
        held = state[name]
        if tuple(held.shape) != tensor.shape:
            raise RefusedError(
                say(
                    "The adapter's tensor {name} is {shape}, the model wants {wanted}.",
                    name=name,
                    shape=tensor.shape,
                    wanted=tuple(held.shape),
                )
            )
        if not np.array_equal(held.numpy(), paddle.to_tensor(tensor).astype(held.dtype).numpy()):
            raise RefusedError(say("The adapter's tensor {name} did not arrive in the model.", name=name))


def is_adapted(layer: Any) -> bool:
    """Return whether a layer carries an adapter beside its weight."""
    return any(hasattr(layer, name) for name in ADAPTED)


def merged_weight(layer: Any) -> paddle.Tensor:
    """Return the weight [in, out] of the plain layer that an adapted one equals; changes nothing.

    PaddleNLP's own merges are wrong for MoRA, crash for LoKr and are missing for VeRA. But every adapted
    layer is linear: what it makes of the identity is its weight, whatever is inside. The rows of the identity
    pick single weights, so that nothing is rounded but the adapter's own product.
    """
    if not is_adapted(layer):
        return layer.weight
    width = layer.weight.shape[0]
    parts = []
    with paddle.no_grad():
        for start in range(0, width, ROWS):
            rows = paddle.zeros([min(ROWS, width - start), width], dtype=layer.weight.dtype)
            rows[:, start : start + rows.shape[0]] = paddle.eye(rows.shape[0], dtype=layer.weight.dtype)
            parts.append(layer(rows) if layer.bias is None else layer(rows) - layer.bias)
        return paddle.concat(parts)


def fold(causal: Any) -> None:
    """Replace every adapted layer of a model by the plain one that it equals."""
    for name, layer in list(causal.named_sublayers()):
        if not is_adapted(layer):
            continue
        path, _, own = name.rpartition(".")
        parent = causal
        for part in path.split("."):
            parent = getattr(parent, part)
        weight = merged_weight(layer)
        plain = paddle.nn.Linear(*weight.shape, bias_attr=False if layer.bias is None else None)
        plain.to(dtype=weight.dtype)
        plain.weight.set_value(weight)
        if layer.bias is not None:
            plain.bias.set_value(layer.bias)
        setattr(parent, own, plain)
