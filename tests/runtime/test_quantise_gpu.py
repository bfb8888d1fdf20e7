"""Our rounding is that of Paddle's own weight-only kernels, where there is an NVIDIA GPU to ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.results_setup import run_lab

pytestmark = [pytest.mark.engine, pytest.mark.gpu]

LAB = Path(__file__).parent / "after_lab.py"


def test_the_kernels_round_as_we_do(gpu_python: Path, tmp_path: Path) -> None:
    methods = ("weight_only_int8", "weight_only_int4")
    for result in run_lab(gpu_python, tmp_path, [{"do": "kernel", "method": name} for name in methods], LAB):
        assert result["apart"] < 0.1 * result["lost"]
