"""A small real model on the second engine with few steps, as a person runs it: plan, run, look, chat."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROVEN = ("convert.weights", "convert.logits", "prepare.rows", "merge.reload", "merge.logits", "merge.tokens")


def steersman(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tui.command_line", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=1500)


@pytest.mark.engine
@pytest.mark.model
@pytest.mark.slow
def test_the_second_engine_plans_trains_merges_proves_and_talks(
    paddleformers_python: Path, tmp_path: Path
) -> None:
    wishes = ["--set", "max_steps=12", "--set", "save_steps=6", "--set", "eval_steps=6"]
    model = ["--model", "smollm2-135m-instruct", "--data", "steersman-demo", "--engine", "paddleformers"]
    planned = steersman("plan", *model, *wishes, "-o", "plan.yaml", folder=tmp_path)
    assert planned.returncode == 0, planned.stderr

    done = steersman("run", "plan.yaml", "--run", "run", folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Before and after" in done.stdout, "it ends with both models' answers side by side"
    page = (tmp_path / "run" / "stages" / "report" / "report.md").read_text(encoding="utf-8")
    assert "vllm serve" in page and "fastdeploy" not in page, "FastDeploy does not load llama"

    report = json.loads((tmp_path / "run" / "stages" / "report" / "report.json").read_text())
    proofs = {proof["name"]: proof["passed"] for proof in report["proofs"]}
    assert proofs.keys() >= set(PROVEN) and all(proofs.values())
    assert any(sample["base"] != sample["tuned"] for sample in report["samples"])

    answer = steersman("chat", "run", "--prompt", "Hello!", "--max-new-tokens", "20", folder=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip()
