"""Stage merge: the files equal W + A·B·scaling, answer like the model in memory, or are not handed out."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from runtime.workers import numpy_llama
from tests.runtime.model_folders import fingerprint, rewrite
from tests.runtime.results_setup import KINDS, PROJECT, Trained, events_of, run_lab, run_worker
from tests.tiny_model import write_tiny_llama

pytestmark = pytest.mark.engine

DAMAGES = ("no weights", "no config", "wrong scaling", "pissa", "missing tensor", "unknown tensor")


@pytest.fixture(scope="module")
def results(
    trained: dict[str, Trained], engine_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Every experiment's result, and the folder of each under `folder`."""
    root = tmp_path_factory.mktemp("merge")
    tied = trained["llama-tied"]
    steps: dict[str, dict[str, Any]] = {
        f"merge {kind}": {"do": "merge", "spec": model.merge_spec(root / kind)}
        for kind, model in trained.items()
    }
    half = Trained(root / "half")
    rewrite(write_tiny_llama(half.hf), bfloat16=True)
    steps["make half"] = {
        "do": "make",
        "hf": str(half.hf),
        "paddle_folder": str(half.base),
        "adapter": str(half.adapter),
    }
    steps["half"] = {"do": "merge", "spec": half.merge_spec(root / "half-merged")}
    steps["float32"] = {"do": "float32_proof", "spec": tied.merge_spec(root / "float32")}
    steps["tamper"] = {
        "do": "tamper",
        "spec": tied.merge_spec(root / "tamper"),
        "tensor": "model.layers.1.self_attn.q_proj.weight",
    }
    steps["naive"] = {"do": "naive_merge", "spec": tied.merge_spec(root / "naive")}
    steps["make full"] = {
        "do": "full",
        "base": str(tied.base),
        "adapter": "",
        "destination": str(root / "full-trained"),
    }
    full = tied.merge_spec(root / "full", adapter=None, trained_model=str(root / "full-trained"))
    steps["full"] = {"do": "merge", "spec": full}
    steps["unchanged"] = {
        "do": "merge",
        "spec": tied.merge_spec(root / "unchanged", adapter=None, trained_model=str(tied.base)),
    }
    steps["other structure"] = {
        "do": "merge",
        "spec": tied.merge_spec(root / "other", hf_folder=str(trained["llama-untied"].hf)),
    }
    for damage in DAMAGES:
        steps[damage] = {
            "do": "refused_adapter",
            "base": str(tied.base),
            "adapter": str(tied.adapter),
            "damaged": str(root / damage),
            "damage": damage,
        }
    found = run_lab(engine_python, root / "lab", list(steps.values()))
    return {"folder": root, **dict(zip(steps, found, strict=True))}


def expected_weights(model: Trained) -> dict[str, np.ndarray]:
    """Return the merged weights in Hugging Face's orientation, computed by NumPy."""
    config = json.loads((model.adapter / "lora_config.json").read_text())
    divisor = math.sqrt(config["r"]) if config["rslora"] else config["r"]
    adapter = load_file(model.adapter / "for-the-test.npz.safetensors")
    weights = {
        name: value.astype(np.float64) for name, value in load_file(model.hf / "model.safetensors").items()
    }
    consumed = 0
    for name in adapter:
        if name.endswith(".lora_A"):
            inner = name.removesuffix(".lora_A")
            a, b = adapter[name].astype(np.float64), adapter[f"{inner}.lora_B"].astype(np.float64)
            _, _, rest = inner.partition(".")
            weights[f"model.{rest}.weight"] += (a @ b).T * config["lora_alpha"] / divisor
            consumed += 2
    assert consumed == len(adapter) == 28
    return weights


@pytest.mark.parametrize("kind", KINDS)
def test_files_hold_the_merged_weights_in_hugging_face_order(
    kind: str, trained: dict[str, Trained], results: dict[str, Any]
) -> None:
    """Every tensor, square or not, equals W + scaling * (A @ B) transposed; nothing is missing or added."""
    merged = load_file(results["folder"] / kind / "model" / "model.safetensors")
    expected = expected_weights(trained[kind])
    assert merged.keys() == expected.keys()
    assert ("lm_head.weight" in merged) == kind.endswith("untied")
    for name, value in merged.items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, expected[name], atol=1e-6, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_both_proofs_are_given(kind: str, results: dict[str, Any]) -> None:
    proofs = {proof["name"]: proof for proof in events_of(results["folder"] / kind, "proof")}
    assert all(proof["passed"] for proof in proofs.values())
    assert 0 <= proofs["merge.logits"]["measured"]["max_difference"] <= 1e-4
    assert proofs["merge.logits"]["measured"]["precision"] == "float64"
    assert proofs["merge.tokens"]["measured"]["differing"] == 0
    outputs, figures = results[f"merge {kind}"]["gave"]
    assert outputs == {"model": str(results["folder"] / kind / "model")}
    assert figures["effect_on_logits"] > 0.1


def test_an_independent_forward_pass_agrees(trained: dict[str, Trained], results: dict[str, Any]) -> None:
    """The merged files give NumPy's logits of W + A·B·scaling, and not those of the base model."""
    tokens = [1, 20, 30, 40, 50, 60]
    for kind in ("llama-tied", "qwen2-untied"):
        folder = results["folder"] / kind / "model"
        config = json.loads((folder / "config.json").read_text())
        merged = numpy_llama.forward(folder, config, tokens)
        base = numpy_llama.forward(trained[kind].hf, config, tokens)
        assert np.abs(merged - base).max() > 0.1


def test_the_folder_is_complete_and_the_original_untouched(
    trained: dict[str, Trained], results: dict[str, Any]
) -> None:
    original = trained["llama-tied"].hf
    folder = results["folder"] / "llama-tied" / "model"
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in original.iterdir())
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (folder / name).read_bytes() == (original / name).read_bytes()
    assert not list(folder.parent.glob(".model*"))
    with (folder / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    assert header["__metadata__"] == {"format": "pt"}


def test_the_documented_upstream_way_leaves_adapter_tensors_in_the_file(results: dict[str, Any]) -> None:
    """Why `save_pretrained` after `merge()` is not used."""
    assert [name for name in results["naive"]["tensors"] if "lora_" in name]
    merged = load_file(results["folder"] / "llama-tied" / "model" / "model.safetensors")
    assert not [name for name in merged if "lora_" in name]


def test_a_changed_number_in_the_file_fails_the_proof(results: dict[str, Any]) -> None:
    assert "does not answer like" in results["tamper"]["refused"]
    proofs = {proof["name"]: proof for proof in events_of(results["folder"] / "tamper", "proof")}
    assert not proofs["merge.logits"]["passed"]
    assert proofs["merge.logits"]["measured"]["max_difference"] > 1e-3


def test_without_memory_for_float64_the_noise_of_float32_is_stated(results: dict[str, Any]) -> None:
    assert "gave" in results["float32"]
    measured = events_of(results["folder"] / "float32", "proof")[0]["measured"]
    assert measured["precision"] == "float32"
    assert measured["tolerance"] >= 1e-4


def test_a_16_bit_original_gives_a_16_bit_result(results: dict[str, Any]) -> None:
    """The file holds the rounded weights exactly; how much rounding moves the logits is said."""
    assert "gave" in results["half"]
    file = results["folder"] / "half-merged" / "model" / "model.safetensors"
    with file.open("rb") as opened:
        header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"BF16"}
    figures = results["half"]["gave"][1]
    assert figures["max_logit_difference"] <= 1e-4 < figures["rounding_of_logits"]


def test_a_fully_trained_model_becomes_a_hugging_face_folder(
    trained: dict[str, Trained], results: dict[str, Any]
) -> None:
    assert "gave" in results["full"]
    merged = load_file(results["folder"] / "full" / "model" / "model.safetensors")
    original = load_file(trained["llama-tied"].hf / "model.safetensors")
    assert merged.keys() == original.keys()
    for name, value in merged.items():
        assert 0 < np.abs(value - original[name]).max() < 0.1, name


def test_training_that_changed_nothing_is_pointed_out(results: dict[str, Any]) -> None:
    assert results["unchanged"]["gave"][1]["effect_on_logits"] == 0
    warnings = events_of(results["folder"] / "unchanged", "log")
    assert any("changed nothing" in event["message"] and event["level"] == "warning" for event in warnings)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("no weights", "holds no adapter weights"),
        ("no config", "cannot be read"),
        ("wrong scaling", "contradicts itself"),
        ("pissa", "PiSSA"),
        ("missing tensor", "lacks 1 of 28 tensors"),
        ("unknown tensor", "belongs to no layer"),
    ],
)
def test_a_wrong_adapter_is_refused_in_words(damage: str, sentence: str, results: dict[str, Any]) -> None:
    """PaddleNLP itself goes on with fresh weights, or without the tensor."""
    assert sentence in results[damage]["refused"]


def test_an_original_of_another_structure_is_refused(results: dict[str, Any]) -> None:
    assert "do not correspond" in results["other structure"]["refused"]
    assert not (results["folder"] / "other" / "model").exists()


def test_the_worker_runs_like_under_the_supervisor_and_replaces_an_older_result(
    trained: dict[str, Trained], engine_python: Path, tmp_path: Path
) -> None:
    model = trained["llama-untied"]
    before = {folder: fingerprint(folder) for folder in (model.hf, model.base, model.adapter)}
    spec = model.merge_spec(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "stale.txt").write_text("from an earlier run")
    done = run_worker(engine_python, spec)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["outputs"] == {"model": str(tmp_path / "model")}
    assert not (tmp_path / "model" / "stale.txt").exists()
    assert {folder: fingerprint(folder) for folder in before} == before


def test_a_failure_is_an_error_event_and_exit_code_1(
    trained: dict[str, Trained], engine_python: Path, tmp_path: Path
) -> None:
    done = run_worker(
        engine_python, trained["llama-tied"].merge_spec(tmp_path, adapter=str(tmp_path / "none"))
    )
    assert done.returncode == 1
    assert not (tmp_path / "result.json").exists()
    assert "is no LoRA adapter" in events_of(tmp_path, "error")[0]["what"]


def test_sigterm_stops_cleanly(trained: dict[str, Trained], engine_python: Path, tmp_path: Path) -> None:
    """Also while Paddle is still being imported."""
    spec = trained["llama-tied"].merge_spec(tmp_path)
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    start = PROJECT / "runtime" / "workers" / "start.py"
    log = (tmp_path / "log.txt").open("wb")
    worker = subprocess.Popen(
        [str(engine_python), str(start), "merge", str(tmp_path / "spec.json")], stdout=log, stderr=log
    )
    deadline = time.monotonic() + 60
    while not held(worker.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(120) == 0
    assert events_of(tmp_path, "state")[-1]["state"] == "stopped"
    assert not (tmp_path / "result.json").exists()
    assert not list(tmp_path.glob(".model*")) and not (tmp_path / "model").exists()


def held(pid: int) -> bool:
    """Return whether a process holds SIGTERM back."""
    status = Path(f"/proc/{pid}/status").read_text()
    blocked = next(line for line in status.splitlines() if line.startswith("SigBlk:"))
    return bool(int(blocked.split()[1], 16) & (1 << (signal.SIGTERM - 1))) and os.getpid() != pid
