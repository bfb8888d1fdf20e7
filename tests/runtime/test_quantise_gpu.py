"""What a quantised folder says is what Paddle's own weight-only kernels compute, where there is a GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runtime.engines.extras import extra_folder
from tests.runtime.results_setup import LEARNT, Trained, run_lab

pytestmark = [pytest.mark.engine, pytest.mark.gpu]

LAB = Path(__file__).parent / "after_lab.py"


def test_the_kernels_round_as_we_do(gpu_python: Path, tmp_path: Path) -> None:
    methods = ("weight_only_int8", "weight_only_int4")
    for result in run_lab(gpu_python, tmp_path, [{"do": "kernel", "method": name} for name in methods], LAB):
        assert result["apart"] < 0.1 * result["lost"]


@pytest.mark.parametrize("method", ["weight_only_int8", "weight_only_int4", "awq", "gptq", "a8w8"])
def test_a_folder_made_on_the_card_computes_there_what_it_says(
    method: str, taught: Trained, gpu_python: Path, tmp_path: Path
) -> None:
    for name in ("train.json", "dev.json"):
        (tmp_path / name).write_text(json.dumps({"src": "Hi", "tgt": LEARNT}) + "\n")
    spec = {
        "stage": "quantise",
        "stage_folder": str(tmp_path / "stage"),
        "base": str(taught.base),
        "model": str(taught.root / "taught"),
        "data": str(tmp_path),
        "method": method,
        "rows": 8,
        "src_length": 64,
        "max_length": 128,
        "paddleslim": str(extra_folder(gpu_python, "paddleslim")),
        "destination": str(tmp_path / method),
        "accuracy": str(tmp_path / "accuracy.json"),
    }
    steps = [{"do": "quantise", "spec": spec}]
    if method not in ("a8w8", "gptq"):  # the predictor's own rounding finds their scales again
        steps.append({"do": "kernel_folder", "folder": str(tmp_path / method)})
    made, *computed = run_lab(gpu_python, tmp_path / "lab", steps, LAB)
    assert abs(made["gave"][1]["loss_after"] - made["gave"][1]["loss_before"]) < 0.2
    assert all(one["apart"] < 0.02 * one["most"] for one in computed)
