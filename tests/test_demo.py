"""The whole demo with few steps, as a person runs it: plan, run, look, chat."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def steersman(*arguments: str, folder: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tui.command_line", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, cwd=folder, timeout=1500)


@pytest.mark.engine
@pytest.mark.model
@pytest.mark.slow
def test_the_demo_plans_trains_merges_proves_and_talks(engine_python: Path, tmp_path: Path) -> None:
    wishes = ["--set", "max_steps=16", "--set", "save_steps=8", "--set", "eval_steps=8"]
    model = ["--model", "smollm2-135m-instruct", "--data", "steersman-demo"]
    planned = steersman("plan", *model, *wishes, "-o", "plan.yaml", folder=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "16 steps" in planned.stdout

    done = steersman("run", "plan.yaml", "--run", "run", folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Before and after" in done.stdout, "it ends with both models' answers side by side"

    report = json.loads((tmp_path / "run" / "stages" / "report" / "report.json").read_text())
    proofs = {proof["name"]: proof["passed"] for proof in report["proofs"]}
    assert proofs.keys() >= {
        "convert.logits",
        "prepare.rows",
        "merge.logits",
        "merge.tokens",
        "generate.answers",
    }
    assert all(proofs.values())
    assert any(sample["base"] != sample["tuned"] for sample in report["samples"])

    again = steersman("run", "plan.yaml", "--run", "run", folder=tmp_path)
    assert again.returncode == 0
    assert "train: started" not in again.stderr, "what is proven is not done again"

    answer = steersman("chat", "run", "--prompt", "Hello!", "--max-new-tokens", "20", folder=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip()
