"""From PaddleNLP's formats to one proven model; adapters mixed and merged shard by shard."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from runtime.workers import numpy_llama
from runtime.workers.adapter_files import changes, hf_module, read_adapter
from runtime.workers.peft_export import export_peft
from runtime.workers.refusal import RefusedError
from tests.runtime.model_folders import edit_json, fingerprint
from tests.runtime.results_setup import Trained
from tests.runtime.tiny_gemma import write_tiny_gemma
from tests.runtime.torch_files import as_bins
from tests.tiny_model import write_tiny_llama

pytestmark = pytest.mark.engine

LAB = Path(__file__).parent / "convert_lab.py"
BACK = ("llama-untied", "qwen2-tied", "mistral-untied", "gemma")
METHODS = ("linear", "ties", "dare_linear", "dare_ties")
TOKENS = [1, 20, 30, 40, 50, 60]


@pytest.fixture(scope="module")
def lab(
    trained: dict[str, Trained], engine_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Every experiment's result by name; `root` is where things lie, `hf`, `paddle` the folders of a kind."""
    root = tmp_path_factory.mktemp("convert-back")
    hf = {kind: trained[kind].hf for kind in BACK if kind != "gemma"}
    paddle = {kind: trained[kind].base for kind in BACK if kind != "gemma"}
    hf["gemma"], paddle["gemma"] = write_tiny_gemma(root / "gemma-hf"), root / "gemma-paddle"

    def stage(name: str, module: str, **spec: Any) -> dict[str, Any]:
        folder = str(root / "stages" / name)
        return {"do": "stage", "module": module, "spec": {"stage_folder": folder, "tolerance": 1e-4, **spec}}

    def back(name: str, source: Path, to: str = "huggingface", original: str = "") -> dict[str, Any]:
        spec = {"source_folder": str(source), "destination": str(root / name), "to": to, "original": original}
        return stage(name, "converting_back", **spec)

    gemma = {"source_folder": str(hf["gemma"]), "destination": str(paddle["gemma"])}
    base = trained["llama-untied"]
    steps: dict[str, Any] = {"gemma": stage("gemma", "converting", **gemma)}
    steps |= {f"back {kind}": back(f"back-{kind}", paddle[kind]) for kind in BACK}
    steps["gemma logits"] = {"do": "logits", "folder": str(root / "back-gemma"), "tokens": TOKENS}
    steps["original"] = back("original", base.base, original=str(base.hf))
    for kind in ("llama-untied", "qwen2-tied"):
        steps[f"cut {kind}"] = {
            "do": "cut",
            "source": str(paddle[kind]),
            "out": str(root / f"cut-{kind}"),
            "slices": 2,
        }
        steps[f"join {kind}"] = back(f"join-{kind}", root / f"cut-{kind}", "paddlenlp")
    steps["join to hf"] = back("join-hf", root / "cut-qwen2-tied")
    steps["distributed"] = {"do": "distributed", "source": str(base.base), "out": str(root / "dist")}
    steps["join distributed"] = back("join-dist", root / "dist", "paddlenlp")
    steps["native"] = {"do": "native", "source": str(base.base), "out": str(root / "native")}
    steps["back native"] = back("back-native", root / "native")
    as_bins(write_tiny_llama(root / "bins"))
    steps["naive load"] = {"do": "naive_load", "folder": str(root / "bins")}
    for number in (1, 2):
        steps[f"adapter {number}"] = {
            "do": "adapter",
            "like": str(base.adapter),
            "out": str(root / f"adapter-{number}"),
            "seed": number,
            "mixer": number == 2,
        }
    steps["naive mergekit"] = {
        "do": "naive_mergekit",
        "base": str(base.base),
        "adapter": str(root / "adapter-2"),
        "out": str(root / "mergekit"),
    }
    steps["naive mergekit of models"] = {
        "do": "naive_mergekit_models",
        "model": str(root / "native"),
        "out": str(root / "mergekit-models"),
    }
    mix = {"adapters": [str(root / "adapter-1"), str(root / "adapter-2")], "hf_folder": str(base.hf)}
    for method in METHODS:
        recipe = {"method": method, "weights": [0.7, 0.3], "density": 0.5, "normalize": True, "seed": 1}
        steps[f"mix {method}"] = stage(
            f"mix-{method}", "merging_adapters", **mix, **recipe, destination=str(root / f"mix-{method}")
        )
    streamed = base.merge_spec(root / "streamed", streaming=True)
    steps["streamed"] = {"do": "stage", "module": "merging", "spec": streamed}
    whole = base.merge_spec(root / "whole")
    steps["whole"] = {"do": "stage", "module": "merging", "spec": whole}
    before = {
        path: fingerprint(path) for path in (*hf.values(), *paddle.values(), base.adapter) if path.exists()
    }
    (root / "lab.json").write_text(json.dumps({"out": str(root / "out.json"), "steps": steps}))
    run = subprocess.run(
        [str(engine_python), str(LAB), str(root / "lab.json")], capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stderr[-5000:]
    assert {path: fingerprint(path) for path in before} == before, "a source was changed"
    results: dict[str, Any] = json.loads((root / "out.json").read_text())
    return {"root": root, "hf": hf, "paddle": paddle, **results}


@pytest.mark.parametrize("kind", BACK)
def test_a_paddle_folder_goes_back_to_the_very_tensors_it_came_from(kind: str, lab: dict[str, Any]) -> None:
    result = lab[f"back {kind}"]
    assert "gave" in result, result
    assert all(proof["passed"] for proof in result["proofs"].values())
    assert result["proofs"]["convert.logits"]["measured"]["max_difference"] < 1e-4
    there, came = (
        load_file(path / "model.safetensors") for path in (lab["root"] / f"back-{kind}", lab["hf"][kind])
    )
    came.pop("lm_head.weight", None) if kind.endswith("tied") and "untied" not in kind else None
    assert there.keys() == came.keys()
    for name, value in came.items():
        np.testing.assert_array_equal(there[name], value)
    config = json.loads((lab["root"] / f"back-{kind}" / "config.json").read_text())
    original = json.loads((lab["hf"][kind] / "config.json").read_text())
    for key in ("hidden_size", "num_key_value_heads", "rope_theta", "rms_norm_eps", "tie_word_embeddings"):
        assert config[key] == original[key], key


def test_gemmas_other_activation_is_said(lab: dict[str, Any]) -> None:
    """PaddleNLP computes gelu exactly; transformers must be told so to answer the same."""
    assert "gave" in lab["gemma"] and any("by tanh" in warning for warning in lab["gemma"]["warnings"])
    config = json.loads((lab["root"] / "back-gemma" / "config.json").read_text())
    assert config["hidden_act"] == config["hidden_activation"] == "gelu_python"
    expected = numpy_llama.forward(lab["root"] / "back-gemma", config, TOKENS)
    assert np.abs(np.array(lab["gemma logits"]) - expected).max() < 1e-4


def test_config_and_tokenizer_of_the_original_can_be_taken(lab: dict[str, Any]) -> None:
    for name in ("config.json", "tokenizer_config.json", "tokenizer.json"):
        there, original = lab["root"] / "original" / name, lab["hf"]["llama-untied"] / name
        assert there.read_bytes() == original.read_bytes()


def test_paddles_own_files_only_look_like_hugging_faces(lab: dict[str, Any]) -> None:
    """Renaming them is not enough: a square weight fits in either orientation, and only one is right."""
    paddle = load_file(lab["paddle"]["llama-untied"] / "model.safetensors")
    original = load_file(lab["hf"]["llama-untied"] / "model.safetensors")
    name = "layers.0.self_attn.q_proj.weight"
    naive, right = paddle[f"llama.{name}"], original[f"model.{name}"]
    assert naive.shape == right.shape and not np.array_equal(naive, right)
    np.testing.assert_array_equal(naive.T, right)


@pytest.mark.parametrize("kind", ["llama-untied", "qwen2-tied"])
def test_slices_of_processes_join_to_the_model_bit_for_bit(kind: str, lab: dict[str, Any]) -> None:
    result = lab[f"join {kind}"]
    assert "gave" in result, result
    assert result["proofs"]["join.weights"]["passed"] and result["proofs"]["join.names"]["passed"]
    joined = load_file(lab["root"] / f"join-{kind}" / "model.safetensors")
    original = load_file(lab["paddle"][kind] / "model.safetensors")
    assert original.keys() <= joined.keys()
    for name, value in original.items():
        np.testing.assert_array_equal(joined[name], value)


def test_slices_go_to_hugging_face_in_one_step(lab: dict[str, Any]) -> None:
    assert "gave" in lab["join to hf"], lab["join to hf"]
    config = json.loads((lab["root"] / "join-hf" / "config.json").read_text())
    logits = numpy_llama.forward(lab["root"] / "join-hf", config, TOKENS)
    expected = numpy_llama.forward(lab["hf"]["qwen2-tied"], config, TOKENS)
    np.testing.assert_array_equal(logits, expected)


def test_a_distributed_checkpoint_becomes_one_model(lab: dict[str, Any]) -> None:
    assert "gave" in lab["join distributed"], lab["join distributed"]
    joined = load_file(lab["root"] / "join-dist" / "model.safetensors")
    original = load_file(lab["paddle"]["llama-untied"] / "model.safetensors")
    assert joined.keys() == original.keys()
    assert all(np.array_equal(joined[name], value) for name, value in original.items())


def test_upstreams_one_file_is_read_too(lab: dict[str, Any]) -> None:
    assert "gave" in lab["back native"], lab["back native"]
    found = load_file(lab["root"] / "back-native" / "model.safetensors")
    original = load_file(lab["hf"]["llama-untied"] / "model.safetensors")
    assert all(np.array_equal(found[name], value) for name, value in original.items())


def test_upstreams_loading_writes_into_the_source_folder(lab: dict[str, Any]) -> None:
    """Why torch weights are never given to PaddleNLP where they lie."""
    assert lab["naive load"] == ["model_state.pdparams"]


def test_mergekit_loses_the_mixer_silently(lab: dict[str, Any]) -> None:
    """Why adapters are not merged by mergekit's own file handling."""
    assert lab["naive mergekit"]["far"] > 0.1 * lab["naive mergekit"]["effect"]


def test_mergekit_spoils_models_in_upstreams_own_files_silently(lab: dict[str, Any]) -> None:
    """A model merged with itself is another one. Why models are read and written by our own code."""
    assert lab["naive mergekit of models"] > 0.01


@pytest.mark.parametrize("method", METHODS)
def test_adapters_are_mixed_as_the_papers_say(method: str, lab: dict[str, Any]) -> None:
    result = lab[f"mix {method}"]
    assert "gave" in result, result
    assert result["proofs"]["merge.weights"]["passed"] and result["proofs"]["merge.loads"]["passed"]
    base = load_file(lab["hf"]["llama-untied"] / "model.safetensors")
    found = load_file(lab["root"] / f"mix-{method}" / "model.safetensors")
    name = "model.layers.1.self_attn.q_proj.weight"
    deltas = []
    for number in (1, 2):
        adapter = read_adapter(lab["root"] / f"adapter-{number}")
        shapes = {layer: base[f"{hf_module(layer)}.weight"].shape[::-1] for layer in adapter.layers}
        added = {hf_module(layer): change for layer, change in changes(adapter, shapes).items()}
        deltas.append(added[name.removesuffix(".weight")].block(slice(None), slice(None)).T)
    moved = found[name].astype(np.float64) - base[name]
    mean = 0.7 * deltas[0] + 0.3 * deltas[1]
    if method == "linear":
        np.testing.assert_allclose(moved, mean, atol=1e-6)
        return
    assert np.abs(moved).max() > 0.01 and np.abs(moved - mean).max() > 0.01
    if method == "ties":  # where both agree and are among the larger half, the mean stays
        large = [np.abs(delta) > np.median(np.abs(delta)) for delta in deltas]
        both = large[0] & large[1] & (np.sign(deltas[0]) == np.sign(deltas[1]))
        np.testing.assert_allclose(moved[both], mean[both], atol=1e-6)
        assert np.abs(moved[~large[0] & ~large[1]]).max() < 1e-6
    else:
        assert (np.abs(moved) < 1e-9).mean() > 0.15  # a quarter of the numbers is dropped on both sides


def test_shard_by_shard_gives_the_weights_of_the_usual_merge(lab: dict[str, Any]) -> None:
    assert "gave" in lab["streamed"], lab["streamed"]
    assert {"merge.weights", "merge.logits", "merge.tokens"} <= lab["streamed"]["proofs"].keys()
    one, other = (
        load_file(lab["root"] / name / "model" / "model.safetensors") for name in ("streamed", "whole")
    )
    assert one.keys() == other.keys()
    assert all(np.abs(one[name] - other[name]).max() < 1e-6 for name in one)
    names = [
        {path.name for path in (lab["root"] / name / "model").iterdir()} for name in ("streamed", "whole")
    ]
    assert names[0] == names[1]


def test_a_lost_rank_is_refused_in_words(lab: dict[str, Any]) -> None:
    from runtime.workers.shards import rank_files

    folder = shutil.copytree(lab["root"] / "cut-llama-untied", lab["root"] / "lost")
    (folder / "model_state.tp01_pp00.pdparams").unlink()
    with pytest.raises(RefusedError, match="lacks the file of tensor rank 1, stage 0"):
        rank_files(folder)


@pytest.mark.parametrize("number", [1, 2])
def test_an_adapter_is_exported_for_peft(number: int, lab: dict[str, Any], tmp_path: Path) -> None:
    """Transposed, under Hugging Face's names; a mixer goes into A."""
    source = lab["root"] / f"adapter-{number}"
    exported = export_peft(source, tmp_path, "somewhere/base")
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    adapter = read_adapter(source)
    layer = "llama.layers.0.mlp.down_proj"
    name = "base_model.model.model.layers.0.mlp.down_proj"
    product = tensors[f"{name}.lora_B.weight"] @ tensors[f"{name}.lora_A.weight"]
    parts = adapter.layers[layer]
    a = parts["lora_A"] @ parts["lora_AB"] if number == 2 else parts["lora_A"]
    np.testing.assert_allclose(product.T, a @ parts["lora_B"], atol=1e-5)
    assert config["lora_alpha"] / config["r"] == adapter.scaling
    assert len(tensors) == 2 * exported.layers and exported.largest_difference < 1e-6
    assert set(config["target_modules"]) == {item.rsplit(".", 1)[-1] for item in adapter.layers}


def test_what_peft_lacks_is_refused(lab: dict[str, Any], tmp_path: Path) -> None:
    folder = shutil.copytree(lab["root"] / "adapter-1", tmp_path / "mora")
    edit_json(folder / "lora_config.json", use_mora=True)
    with pytest.raises(RefusedError, match="MoRA"):
        export_peft(folder, tmp_path, "base")
    edit_json(folder / "lora_config.json", pissa=True)
    with pytest.raises(RefusedError, match="PiSSA"):
        export_peft(folder, tmp_path, "base")
