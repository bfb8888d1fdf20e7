"""Reading and writing Hugging Face folders: what is written is standard, what is read stays untouched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from runtime.workers import numpy_llama
from tests.runtime.model_folders import edit_json, fingerprint
from tests.runtime.results_setup import Trained, run_lab

pytestmark = pytest.mark.engine

TOKENS = [1, 20, 30, 40, 50, 60]


@pytest.fixture(scope="module")
def results(
    trained: dict[str, Trained], engine_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Every experiment's result, and the folder of each under `folder`."""
    root = tmp_path_factory.mktemp("hf_folder")
    steps: dict[str, dict[str, Any]] = {}
    for kind, model in trained.items():
        steps[f"round trip {kind}"] = {
            "do": "shards",
            "hf": str(model.hf),
            "destination": str(root / kind),
            "shard_bytes": 100_000,
        }
        steps[f"load {kind}"] = {"do": "load", "folder": str(model.hf), "tokens": TOKENS}
    newer = root / "newer"
    shutil.copytree(trained["llama-tied"].hf, newer)
    edit_json(
        newer / "config.json",
        rope_theta=None,
        rope_parameters={"rope_theta": 500.0, "rope_type": "default"},
        torch_dtype=None,
        dtype="float32",
    )
    template = json.loads((newer / "tokenizer_config.json").read_text())["chat_template"]
    edit_json(newer / "tokenizer_config.json", chat_template=None)
    (newer / "chat_template.jinja").write_text(template)
    steps["newer"] = {"do": "load", "folder": str(newer), "tokens": TOKENS}
    lacking = root / "lacking"
    shutil.copytree(trained["llama-tied"].hf, lacking)
    tensors = load_file(lacking / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, lacking / "model.safetensors", metadata={"format": "pt"})
    steps["lacking"] = {"do": "load", "folder": str(lacking), "tokens": TOKENS}
    (root / "empty").mkdir()
    steps["empty"] = {"do": "load", "folder": str(root / "empty"), "tokens": TOKENS}
    before = {kind: fingerprint(model.hf) for kind, model in trained.items()}
    found = run_lab(engine_python, root / "lab", list(steps.values()))
    after = {kind: fingerprint(model.hf) for kind, model in trained.items()}
    return {"folder": root, "before": before, "after": after, **dict(zip(steps, found, strict=True))}


def numpy_logits(folder: Path) -> np.ndarray:
    """Return the folder's logits by the independent forward pass."""
    return numpy_llama.forward(folder, json.loads((folder / "config.json").read_text()), TOKENS)


@pytest.mark.parametrize("kind", ["llama-tied", "llama-untied", "qwen2-tied", "qwen2-untied"])
def test_writing_an_unchanged_model_gives_the_original_tensors(
    kind: str, trained: dict[str, Trained], results: dict[str, Any]
) -> None:
    """Bit by bit, in shards no larger than allowed, with an index that names each tensor's file."""
    folder: Path = results["folder"] / kind
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    original = load_file(trained[kind].hf / "model.safetensors")
    assert index["weight_map"].keys() == original.keys()
    assert index["metadata"]["total_size"] == sum(value.nbytes for value in original.values())
    files = sorted(folder.glob("*.safetensors"))
    assert len(files) > 1 and {path.name for path in files} == set(index["weight_map"].values())
    for path in files:
        tensors = load_file(path)
        assert sum(value.nbytes for value in tensors.values()) <= 100_000 or len(tensors) == 1
        for name, value in tensors.items():
            assert index["weight_map"][name] == path.name
            np.testing.assert_array_equal(value, original[name], err_msg=name)
    assert results[f"round trip {kind}"]["equal"]


@pytest.mark.parametrize("kind", ["llama-tied", "llama-untied", "qwen2-tied", "qwen2-untied"])
def test_a_loaded_folder_computes_what_numpy_computes(
    kind: str, trained: dict[str, Trained], results: dict[str, Any]
) -> None:
    np.testing.assert_allclose(results[f"load {kind}"]["logits"], numpy_logits(trained[kind].hf), atol=1e-4)


def test_loading_writes_nothing_into_the_folder(results: dict[str, Any]) -> None:
    """PaddleNLP's own way leaves a second copy of the weights there."""
    assert results["before"] == results["after"]
    assert not list((results["folder"] / "newer").glob("*.pdparams"))


def test_newer_spellings_are_understood(results: dict[str, Any]) -> None:
    """`rope_parameters`, `dtype` and chat_template.jinja, which PaddleNLP would ignore."""
    folder = results["folder"] / "newer"
    np.testing.assert_allclose(results["newer"]["logits"], numpy_logits(folder), atol=1e-4)
    assert results["newer"]["has_template"]


def test_a_missing_tensor_is_refused_not_made_up(results: dict[str, Any]) -> None:
    assert "1 weights have no tensor" in results["lacking"]["refused"]
    assert "up_proj" in results["lacking"]["refused"]


def test_a_folder_without_weights_is_refused(results: dict[str, Any]) -> None:
    assert "no safetensors" in results["empty"]["refused"]


def test_paddles_own_safetensors_are_not_hugging_faces(trained: dict[str, Trained], tmp_path: Path) -> None:
    """With the names put right they load where weights are square, and compute something else."""
    model = trained["llama-tied"]
    tensors = {
        name.replace("llama.", "model.", 1): value
        for name, value in load_file(model.base / "model.safetensors").items()
    }
    naive = tmp_path / "naive"
    shutil.copytree(model.hf, naive)
    square = {
        name: value for name, value in tensors.items() if value.ndim == 2 and len(set(value.shape)) == 1
    }
    original = load_file(model.hf / "model.safetensors")
    assert set(square) == {f"model.layers.{n}.self_attn.{p}_proj.weight" for n in (0, 1) for p in "qo"}
    save_file({**original, **square}, naive / "model.safetensors", metadata={"format": "pt"})
    assert np.abs(numpy_logits(naive) - numpy_logits(model.hf)).max() > 0.1
