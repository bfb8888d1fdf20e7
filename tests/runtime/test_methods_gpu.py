"""QLoRA from training to answers, where there is an NVIDIA GPU and an engine built for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.results_setup import Trained, events_of, run_worker
from tests.runtime.train_setup import Runs, rows, start, write_data

pytestmark = [pytest.mark.engine, pytest.mark.gpu]

FORMATS = ("weight_only_int8", "weight_only_int4", "nf4", "fp4")


@pytest.mark.parametrize("weight_format", FORMATS)
def test_qlora_trains_merges_onto_the_plain_base_and_answers(
    weight_format: str, trained: dict[str, Trained], gpu_python: Path, tmp_path: Path
) -> None:
    """The adapter learnt beside quantised weights; it is merged into those of 16 or 32 bits."""
    model = trained["llama-untied"]
    runs = Runs(tmp_path, model.base, write_data(tmp_path / "data", rows(23), rows(6, seed=1)))
    changes: dict[str, Any] = {
        "device": "gpu",
        "bf16": True,
        "fp16_opt_level": "O2",
        "weight_quantize_algo": weight_format,
        "max_steps": 6,
        "save_steps": 3,
        "eval_steps": 3,
    }
    assert start(gpu_python, 1, runs.spec("qlora", {"lora_dropout": 0.0}, **changes)).wait(600) == 0, (
        runs.messages("qlora")
    )
    assert len(runs.curve("qlora")) == 6
    spec = model.merge_spec(tmp_path / "merge", adapter=str(runs.output("qlora") / "adapter"))
    done = run_worker(gpu_python, spec)
    assert done.returncode == 0, done.stderr[-3000:]
    proofs = {proof["name"]: proof["passed"] for proof in events_of(tmp_path / "merge", "proof")}
    assert proofs.keys() >= {"merge.logits", "merge.tokens"} and all(proofs.values()), proofs
    answers = {
        "stage": "generate",
        "stage_folder": str(tmp_path / "generate"),
        "base": str(model.base),
        "model": str(tmp_path / "merge" / "model"),
        "prompts": [[{"role": "user", "content": "sail?"}]],
        "max_new_tokens": 16,
    }
    run_worker(gpu_python, answers)
    samples = json.loads((tmp_path / "generate" / "samples.json").read_text(encoding="utf-8"))
    assert len(samples) == 1
