"""What Steersman renders and does not run itself, run by the toolkit's own scripts where there are GPUs.

`STEERSMAN_TEST_LLM` names the folder `llm` of a checkout of PaddleNLP 3.0.0b4; quantising also needs
PaddleSlim from its sources in the engine: the script imports what its last release, 2.6.0, does not have.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.runtime.texts_setup import prepared, texts
from tests.runtime.train_setup import rows, write_data
from tui.command_line import main

pytestmark = [pytest.mark.engine, pytest.mark.gpu]


class Case(NamedTuple):
    """A plan, by what is asked for."""

    gpus: int
    flags: tuple[str, ...]


AUTO = ("--stage", "pretrain", "--set", "enable_auto_parallel=true")
CASES = {
    "pipeline": Case(2, ("--method", "lora", "--set", "pipeline_parallel_degree=2")),
    "auto-parallel": Case(2, AUTO),
    "auto-parallel, static": Case(2, (*AUTO, "--set", "to_static=true")),
    "a8w8": Case(1, ("--stage", "quantise", "--set", "quantise=a8w8")),
    "gptq": Case(1, ("--stage", "quantise", "--set", "quantise=gptq")),
    "awq": Case(1, ("--stage", "quantise", "--set", "quantise=awq")),
}


@pytest.mark.parametrize("name", CASES)
def test_the_rendered_folder_runs(
    name: str, tiny_hf_model: Path, tiny_paddle_model: Path, gpu_python: Path, tmp_path: Path
) -> None:
    llm = os.environ.get("STEERSMAN_TEST_LLM")
    if not llm:
        pytest.skip("needs STEERSMAN_TEST_LLM, the folder llm of a checkout of PaddleNLP")
    case, plan, folder = CASES[name], tmp_path / "plan.yaml", tmp_path / "rendered"
    hardware = f"{case.gpus}x A100-80G"
    described = ("--data-rows", "29", "--data-tokens", "20", "--hardware", hardware)
    assert main(["plan", "--model", str(tiny_hf_model), *described, *case.flags, "-o", str(plan)]) == 0
    assert main(["render", str(plan), "-o", str(folder)]) == 0
    (folder / "model").symlink_to(tiny_paddle_model)
    if set(AUTO) <= set(case.flags):
        made = prepared(tmp_path / "texts", texts(200), tiny_hf_model, 0.1)
        (folder / "data").mkdir()
        for name in ("train.bin", "train.idx"):
            shutil.copyfile(made / name, folder / "data" / name)
    else:
        write_data(folder / "data", rows(23), rows(6, seed=1))
    environment = {**os.environ, "LLM": llm, "PYTHON": str(gpu_python)}
    done = subprocess.run(
        [str(folder / "launch.sh")], capture_output=True, text=True, env=environment, timeout=1200
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert any(
        list((folder / "output").rglob(f"*.{ending}")) for ending in ("safetensors", "pdparams", "distcp")
    )
