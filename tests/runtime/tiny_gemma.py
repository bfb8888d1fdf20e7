"""A tiny gemma: llama's layout with norms counted from one, a larger head, and the embedding as its head."""

from __future__ import annotations

from pathlib import Path

from safetensors.numpy import load_file, save_file

from tests.runtime.model_folders import edit_json
from tests.tiny_model import write_tiny_llama


def write_tiny_gemma(folder: Path, seed: int = 0) -> Path:
    """Write a Hugging Face folder and return it."""
    write_tiny_llama(folder, tied=True, seed=seed)
    tensors = load_file(folder / "model.safetensors")
    for name in tensors:
        if name.endswith("norm.weight"):
            tensors[name] = tensors[name] - 1
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    edit_json(
        folder / "config.json",
        model_type="gemma",
        architectures=["GemmaForCausalLM"],
        hidden_act="gelu_pytorch_tanh",
        hidden_activation="gelu_pytorch_tanh",
    )
    return folder
