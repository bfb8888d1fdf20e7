"""Auto-parallel by upstream's own script on what is rendered, on two CPU processes.

It begins with the model's weights, and what its processes save becomes one model. The static graph gets as
far as the device.

`STEERSMAN_TEST_LLM` names the folder `llm` of a checkout of PaddleNLP 3.0.0b4.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from planner.upstream import files
from tests.planner.test_render_auto import made
from tests.runtime.texts_setup import prepared, texts
from tests.runtime.train_setup import environment
from tui.command_line import main

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ON_CPU: dict[str, Any] = {
    "device": "cpu",
    "bf16": False,
    "fp16_opt_level": "O1",
    "amp_master_grad": False,
    "use_flash_attention": False,
    "use_fused_rope": False,
    "offload_optim": False,
    "max_seq_length": 64,
    "max_steps": 3,
    "do_eval": False,
    "evaluation_strategy": "no",
    "save_steps": 100,
}
"""What a config for two A100 needs without them. Sharding goes, too: it has kernels for cards only."""

PROBE = """
import random
import numpy as np
import paddlenlp.trainer.auto_trainer
random.seed(np.int64(3))
print("whole")
"""
LOSS = re.compile(r"loss: ([\d.]+), .*?global_step: (\d+)")


def test_upstreams_trainer_is_there_only_with_what_is_rendered(engine_python: Path, tmp_path: Path) -> None:
    """Paddle 3.3.1 has moved modules, and Python 3.11 takes fewer seeds."""
    (tmp_path / "start.py").write_text(files(made("llama", static=False))["start.py"], encoding="utf-8")
    (tmp_path / "probe.py").write_text(PROBE, encoding="utf-8")
    (tmp_path / "config.json").write_text('{"model_name_or_path": "model"}')
    for command, said in ((("probe.py",), "No module named 'paddle.distributed.checkpoint'"),
                          (("start.py", "probe.py", "config.json"), "whole")):  # fmt: skip
        done = subprocess.run(
            [str(engine_python), *command], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert said in done.stdout + done.stderr, done.stderr[-2000:]


def launched(
    folder: Path, llm: Path, python: Path, hf: Path, paddle: Path, **changes: Any
) -> tuple[int, str]:
    """Plan for two A100, render, let upstream's script run it on two CPU processes; return how it ended."""
    plan = folder / "plan.yaml"
    described = ("--data-rows", "29", "--data-tokens", "60", "--hardware", "2x A100-80G")
    wanted = (
        "--stage",
        "pretrain",
        "--set",
        "enable_auto_parallel=true",
        "--set",
        "tensor_parallel_degree=1",
    )
    assert main(["plan", "--model", str(hf), *described, *wanted, "-o", str(plan)]) == 0
    ours = folder / "rendered"
    assert main(["render", str(plan), "-o", str(ours)]) == 0
    config = json.loads((ours / "config.json").read_text()) | ON_CPU | changes
    plain = {name: value for name, value in config.items() if not name.startswith("sharding")}
    (ours / "config.json").write_text(json.dumps(plain))
    shutil.copytree(paddle, ours / "model")
    data = prepared(folder / "texts", texts(200), hf, 0.1)
    (ours / "data").mkdir()
    for name in ("train.bin", "train.idx"):
        shutil.copyfile(data / name, ours / "data" / name)
    script = (ours / "launch.sh").read_text()
    (ours / "launch.sh").write_text(re.sub(r"^export CUDA_VISIBLE.*$", "", script, flags=re.MULTILINE))
    done = subprocess.run(
        ["bash", "launch.sh"], cwd=ours, capture_output=True, text=True, timeout=300,
        env={**environment(), "LLM": str(llm), "PYTHON": str(python)},
    )  # fmt: skip
    logs = [log.read_text(errors="replace") for log in sorted((ours / "log").glob("workerlog.*"))]
    return done.returncode, "".join(logs)


def test_it_begins_with_the_models_weights_and_ends_as_one_model(
    llm: Path, engine_python: Path, tiny_hf_model: Path, tiny_paddle_model: Path, tmp_path: Path
) -> None:
    still = {"learning_rate": 1e-9, "min_learning_rate": 1e-10}
    code, said = launched(tmp_path, llm, engine_python, tiny_hf_model, tiny_paddle_model, **still)
    assert code == 0, said[-3000:]
    assert sorted(int(step) for _, step in LOSS.findall(said)) == [1, 2, 3]
    ours = tmp_path / "rendered"
    config = json.loads((ours / "model" / "config.json").read_text()) | {"tie_word_embeddings": False}
    (ours / "output" / "config.json").write_text(json.dumps(config))
    one = tmp_path / "one"
    assert main(["convert", str(ours / "output" / "model"), str(one), "--to", "huggingface"]) == 0
    found, before = load_file(one / "model.safetensors"), load_file(tiny_hf_model / "model.safetensors")
    for name, value in found.items():
        original = before.get(name, before["model.embed_tokens.weight"])
        np.testing.assert_allclose(value, original, atol=1e-6, err_msg=name)


def test_the_static_graph_gets_as_far_as_the_device(
    llm: Path, engine_python: Path, tiny_hf_model: Path, tiny_paddle_model: Path, tmp_path: Path
) -> None:
    code, said = launched(tmp_path, llm, engine_python, tiny_hf_model, tiny_paddle_model, to_static=True)
    assert code != 0 and "No CUDA device found" in said
