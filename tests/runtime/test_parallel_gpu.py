"""Parallel trainings where there are NVIDIA GPUs and an engine built for them: they learn what one GPU
learns, resume where they were, and what they hand out is proven."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CONVERT
from tests.runtime.parallel_ways import LAYERS, WAYS
from tests.runtime.results_setup import Trained, events_of, run_worker
from tests.runtime.train_setup import Runs, rows, start, write_data
from tests.tiny_model import write_tiny_llama

pytestmark = [pytest.mark.engine, pytest.mark.gpu]

ON_GPU: dict[str, Any] = {"device": "gpu", "max_steps": 6, "save_steps": 3, "eval_steps": 6}
SHARES_ROWS = {"tensor_parallel_degree", "pipeline_parallel_degree"}
"""Ways in which all processes see the same rows."""

CLOSE = 0.05
"""Loss: sums in another order and, with FlashMask, 16 bits instead of 32."""


@pytest.fixture(scope="module")
def deep(gpu_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """An untied llama with a layer for every chunk of every stage."""
    model = Trained(tmp_path_factory.mktemp("deep"))
    write_tiny_llama(model.hf, layers=LAYERS, tied=False)
    command = [str(gpu_python), "-c", CONVERT, str(model.hf), str(model.base)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return model


def gpus() -> int:
    """Return how many GPUs the driver shows."""
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


@pytest.mark.parametrize("name", WAYS)
def test_it_learns_what_one_gpu_learns_and_is_handed_out(
    name: str, deep: Trained, gpu_python: Path, tmp_path: Path
) -> None:
    way = WAYS[name]
    if gpus() < way.processes:
        pytest.skip(f"needs {way.processes} GPUs")
    model = deep
    runs = Runs(tmp_path, model.base, write_data(tmp_path / "data", rows(23), rows(6, seed=1)))
    extras = {"lora_dropout": 0.0}
    batch = {"gradient_accumulation_steps": 2 * way.processes}
    full = way.changes.get("lora") is False  # adapters begin with other random numbers on each stage
    alone_changes = {**ON_GPU, **batch, "lora": not full}
    assert start(gpu_python, 1, runs.spec("alone", extras, **alone_changes)).wait(600) == 0
    changes = {**ON_GPU, **way.changes}
    if not SHARES_ROWS.isdisjoint(way.changes):
        changes |= batch
    spec = runs.spec("run", extras, **changes)
    assert start(gpu_python, way.processes, spec).wait(600) == 0, runs.messages("run")
    alone, curve = runs.curve("alone"), runs.curve("run")
    assert sorted(curve) == [1, 2, 3, 4, 5, 6]
    assert all(abs(curve[step] - alone[step]) < CLOSE for step in curve)
    spec = model.merge_spec(tmp_path / "merge", adapter=str(runs.output("run") / "adapter"))
    if full:
        del spec["adapter"]
        spec["trained_model"] = str(runs.output("run") / "model")
    assert run_worker(gpu_python, spec).returncode == 0
    proofs = {proof["name"]: proof["passed"] for proof in events_of(tmp_path / "merge", "proof")}
    assert proofs.keys() >= {"merge.logits", "merge.tokens"} and all(proofs.values()), proofs
