"""Write a LoRA adapter as Hugging Face PEFT loads it, and prove that it says the same.

PaddleNLP keeps A as [in, r] and B as [r, out]; PEFT has lora_A.weight [r, in] and lora_B.weight [out, r],
under `base_model.model.` and Hugging Face's names. A mixer between the two goes into A. NumPy only.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from runtime.workers.adapter_files import Adapter, hf_module, read_adapter
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.tensor_files import entries_of, float_array

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
TOLERANCE = 1e-6
"""Largest difference of the product, relative to its largest number; only a folded mixer rounds at all."""


class Exported(NamedTuple):
    """What was written, and how exact it is."""

    layers: int
    rank: int
    largest_difference: float

    def sentence(self) -> str:
        """Return the proof in one sentence."""
        return say(
            "Read again, the adapter's {layers} products differ from the original's by at most "
            "{difference:.1e} of their largest number.",
            layers=self.layers,
            difference=self.largest_difference,
        )


def export_peft(adapter_folder: Path, folder: Path, base_name: str) -> Exported:
    """Write the adapter into the existing, empty `folder` and return the proof; `RefusedError` if PEFT
    lacks it.

    `base_name` is the base model's name or folder, as PEFT will look for it.
    """
    adapter = read_adapter(adapter_folder)
    refuse_what_peft_lacks(adapter)
    tensors: dict[str, np.ndarray] = {}
    for layer, parts in adapter.layers.items():
        name = f"base_model.model.{hf_module(layer)}"
        a = parts["lora_A"]
        if "lora_AB" in parts:
            a = (a.astype(np.float64) @ parts["lora_AB"].astype(np.float64)).astype(np.float32)
        tensors[f"{name}.lora_A.weight"] = np.ascontiguousarray(a.T)
        tensors[f"{name}.lora_B.weight"] = np.ascontiguousarray(parts["lora_B"].T)
    write_float32(folder / WEIGHTS, tensors)
    text = json.dumps(peft_config(adapter, base_name), indent=2) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8")
    exported = check(adapter, folder)
    if not exported.largest_difference <= TOLERANCE:
        raise RefusedError(say("The exported adapter is not the trained one."), exported.sentence())
    return exported


def refuse_what_peft_lacks(adapter: Adapter) -> None:
    """Raise `RefusedError` for a method that PEFT does not have in this form."""
    lacking = {"vera": "VeRA with matrices of its own for every layer", "lokr": "LoKr in PaddleNLP's form"}
    title = lacking.get(adapter.method) or ("MoRA" if adapter.config.get("use_mora") else "")
    if title:
        raise RefusedError(
            say("PEFT cannot hold this adapter: it is {title}.", title=title),
            remedy=say("Use the merged model of the run instead."),
        )


def peft_config(adapter: Adapter, base_name: str) -> dict[str, Any]:
    """Return adapter_config.json. PEFT looks for layers by the end of their names."""
    modules = [hf_module(layer) for layer in adapter.layers]
    leaves = sorted({module.rsplit(".", 1)[-1] for module in modules})
    blocks = {module.split(".layers.")[1].split(".")[0] for module in modules if ".layers." in module}
    everywhere = len(modules) == len(leaves) * len(blocks)
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": int(adapter.config["r"]),
        "lora_alpha": adapter.config["lora_alpha"],
        "use_rslora": bool(adapter.config.get("rslora")),
        "lora_dropout": float(adapter.config.get("lora_dropout") or 0.0),
        "target_modules": leaves if everywhere else sorted(modules),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "modules_to_save": None,
        "init_lora_weights": True,
    }


def check(adapter: Adapter, folder: Path) -> Exported:
    """Read the files again and compare what PEFT will compute with what the adapter adds."""
    written = entries_of(folder / WEIGHTS)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    scale = config["lora_alpha"] / (config["r"] ** 0.5 if config["use_rslora"] else config["r"])
    largest = 0.0
    for layer, parts in adapter.layers.items():
        name = f"base_model.model.{hf_module(layer)}"
        a, b = (float_array(written.pop(f"{name}.lora_{part}.weight")).astype(np.float64) for part in "AB")
        left = parts["lora_A"].astype(np.float64)
        if "lora_AB" in parts:
            left = left @ parts["lora_AB"].astype(np.float64)
        wanted = left @ parts["lora_B"].astype(np.float64) * adapter.scaling
        size = float(np.abs(wanted).max()) or 1.0
        largest = max(largest, float(np.abs((b @ a).T * scale - wanted).max()) / size)
    if written:
        raise RefusedError(say("The exported adapter has {count} tensors too many.", count=len(written)))
    return Exported(len(adapter.layers), int(config["r"]), largest)


def write_float32(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write float32 tensors as safetensors."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, value in tensors.items():
        place = [position, position + value.nbytes]
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": place}
        position += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(np.ascontiguousarray(value, "<f4").data)
