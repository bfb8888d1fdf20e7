"""A quantised model as files, in the form that upstream's run_quantization.py leaves and its predictor reads.

`weight_scales.json` and `act_scales.json` hold what the largest number stands for, under PaddleSlim's names
(PaddleNLP, llm/utils/quant.py, apply_ptq); `quantization_config` in config.json says which kernels to take.
A8W8 weights are stored as whole numbers, which the predictor casts to int8. It rounds the weights of the
other methods by itself, so those are stored as floats that its rounding gives back, as upstream does with
GPTQ. Beside that, `quantised.json` says how the model was made, for `load`, which reads it on any device.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from safetensors.paddle import load_file, save_file

from runtime.workers.hf_folder import copy_companions, sync
from runtime.workers.quantised_linear import Few, FewBitsLinear, ShiftedNorm, largest
from runtime.workers.quantising_methods import Quantised
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

WEIGHTS, HOW = "model.safetensors", "quantised.json"
WEIGHT_SCALES, ACT_SCALES = "weight_scales.json", "act_scales.json"
QUANT_TYPE = {"gptq": "weight_only_int4", "awq": "weight_only_int4"}
"""Method -> kernels of the predictor, where they have another name."""


def stored_precision(config: dict[str, Any]) -> str:
    """Return the precision of what is not rounded: that of the model, and float16 where it has 32 bits."""
    named = str(config.get("torch_dtype") or config.get("dtype") or "")
    return "bfloat16" if named == "bfloat16" else "float16"


def plain_name(layer: str) -> str:
    """Return a layer's name without the wrapper that PaddleSlim puts around it to shift and smooth inputs."""
    return layer.removesuffix(".layer")


def settle(model: Any, found: Quantised, precision: str) -> None:
    """Round everything that is not quantised to the precision in which it is stored."""
    few_bits = {f"{layer}.weight" for layer in found.weights}
    for name, value in model.state_dict().items():
        if "quanter" not in name and name not in few_bits and value.dtype == paddle.float32:
            value.set_value(value.astype(precision).astype("float32"))


def tensors_of(model: Any, found: Quantised, precision: str) -> dict[str, paddle.Tensor]:
    """Return what is stored, name -> tensor, names as upstream's."""
    tensors = {}
    for name, value in model.state_dict().items():
        if "quanter" not in name and not name.endswith(".layer.weight"):
            tensors[name] = value.astype(precision)
    for layer, whole in found.weights.items():
        name = f"{plain_name(layer)}.weight"
        if found.act_scales:
            tensors[name] = paddle.to_tensor(whole)
        else:
            floats = whole * (found.weight_scales[layer] / np.float32(largest(found.bits)))
            tensors[name] = paddle.to_tensor(floats.astype(np.float32)).astype(precision)
    return tensors


def write(
    model: Any, found: Quantised, folder: Path, spec: dict[str, Any], precision: str, how: dict[str, Any]
) -> None:
    """Write the new folder `folder`; the caller renames it into place."""
    folder.mkdir(parents=True)
    base = Path(spec["base"])
    copy_companions(base, folder)
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = precision
    config["quantization_config"] = {
        "quant_type": QUANT_TYPE.get(spec["method"], spec["method"]),
        "shift": found.shifted,
        "smooth": found.smoothed,
        "shift_smooth_all_linears": found.shifted,
    }
    write_json(folder / "config.json", config)
    write_json(folder / HOW, {**how, "bits": found.bits, "layers": list(found.weights)})
    write_json(
        folder / WEIGHT_SCALES,
        {f"{layer}.weight_quanter": scale.tolist() for layer, scale in found.weight_scales.items()},
    )
    if found.act_scales:
        write_json(
            folder / ACT_SCALES,
            {f"{layer}.activation_quanter": scale for layer, scale in found.act_scales.items()},
        )
    save_file(tensors_of(model, found, precision), str(folder / WEIGHTS), metadata={"format": "pd"})
    for path in folder.iterdir():
        sync(path)
    sync(folder)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write one of the folder's small files."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Return one of the folder's small files; `RefusedError` when it is missing or torn."""
    try:
        values: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RefusedError(
            say("{folder} is no quantised model: {name} cannot be read.", folder=folder, name=name),
            str(error),
            say("Make it again with `steersman quantise`."),
        ) from error
    return values


def load(folder: str | Path) -> Any:
    """Return a quantised model that computes in floats what its kernels would, in eval mode, on any device.

    Nothing of PaddleSlim is used, so what it gives can be compared with what PaddleSlim gave.
    """
    from paddlenlp.transformers import AutoConfig, AutoModelForCausalLM
    from paddlenlp.transformers.model_utils import no_init_weights

    folder = Path(folder)
    how, scales = read_json(folder, HOW), read_json(folder, WEIGHT_SCALES)
    act_scales = read_json(folder, ACT_SCALES) if (folder / ACT_SCALES).exists() else {}
    stored = load_file(str(folder / WEIGHTS))
    config = AutoConfig.from_pretrained(str(folder))
    with no_init_weights(_enable=True):
        model = AutoModelForCausalLM.from_config(config, dtype="float32")
    for layer in how["layers"]:
        scale = paddle.to_tensor(scales[f"{layer}.weight_quanter"], dtype="float32")
        put(model, plain_name(layer), few_bits(layer, stored, scale, int(how["bits"]), act_scales))
    for name in [name for name in stored if name.endswith("norm.bias")]:
        norm = name.removesuffix(".bias")
        put(model, norm, ShiftedNorm(part(model, norm), stored[name].astype("float32")))
    fill(model, stored, folder)
    model.eval()
    return model


def few_bits(
    layer: str, stored: dict[str, paddle.Tensor], scale: paddle.Tensor, bits: int, act_scales: dict[str, Any]
) -> FewBitsLinear:
    """Return one layer; the whole numbers come back exactly, however they are stored."""
    name = plain_name(layer)

    def given(kind: str) -> paddle.Tensor | None:
        value = stored.get(f"{name}.{kind}")
        return None if value is None else value.astype("float32")

    weight = stored[f"{name}.weight"]
    whole = weight.astype("float32")
    if weight.dtype != paddle.int8:
        whole = paddle.round(whole / scale * largest(bits))
    act_scale = act_scales.get(f"{layer}.activation_quanter")
    return FewBitsLinear(
        Few(whole, scale, bits, act_scale, given("bias"), given("shift_bias"), given("smooth_weight"))
    )


def part(model: Any, name: str) -> Any:
    """Return a part of the model by its name."""
    for step in name.split("."):
        model = getattr(model, step)
    return model


def put(model: Any, name: str, layer: Any) -> None:
    """Put a layer into the place of another one."""
    parent, _, own = name.rpartition(".")
    setattr(part(model, parent), own, layer)


def fill(model: Any, stored: dict[str, paddle.Tensor], folder: Path) -> None:
    """Give every remaining parameter its stored value; `RefusedError` when one has none."""
    for name, parameter in model.named_parameters():
        source = name.replace(".norm.weight", ".weight") if "layernorm.norm." in name else name
        if source not in stored:
            raise RefusedError(
                say("{folder} is no quantised model: it lacks the weight {name}.", folder=folder, name=source)
            )
        parameter.set_value(stored[source].astype("float32"))
