"""Our rounding is that of Paddle's own weight-only kernels, where there is an NVIDIA GPU to ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.paths import engines_folder
from tests.runtime.results_setup import run_lab

pytestmark = [pytest.mark.engine, pytest.mark.gpu]

LAB = Path(__file__).parent / "after_lab.py"


def test_the_kernels_round_as_we_do(tmp_path: Path) -> None:
    found = sorted(engines_folder().glob("paddlenlp-cu*/bin/python"))
    if not found or not Path("/dev/nvidiactl").exists():
        pytest.skip("needs an NVIDIA GPU and `steersman engines install paddlenlp`")
    methods = ("weight_only_int8", "weight_only_int4")
    for result in run_lab(found[-1], tmp_path, [{"do": "kernel", "method": name} for name in methods], LAB):
        assert result["apart"] < 0.1 * result["lost"]
