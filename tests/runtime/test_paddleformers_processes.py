"""Two processes of the second engine: killed between two checkpoints, the run ends as if nothing had been."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.runtime.formers_setup import Formers, run_lab, write_rows
from tests.runtime.train_setup import START, environment, launcher, wait_for

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PROCESSES = 2
WAYS: dict[str, dict[str, Any]] = {
    "lora": {},
    "full": {"fine_tuning": "full", "learning_rate": 1e-3},
}
"""Optimizer states that are spread are refused by the planner (planner/rules/constraints_formers.py)."""


@pytest.fixture(scope="module")
def runs(
    tiny_hf_model: Path, paddleformers_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Formers:
    root = tmp_path_factory.mktemp("processes")
    made = Formers(root, root / "prepared", write_rows(root / "data"))
    folders = {"source_folder": str(tiny_hf_model), "destination": str(made.model), "tolerance": 1e-4}
    spec = made.spec("all", "convert", **folders)
    job = {"do": "stage", "name": "paddleformers.converting", "spec": spec}
    found = run_lab(paddleformers_python, root, {"convert": job})
    assert "failed" not in found["convert"], found["convert"]
    return made


def start(python: Path, runs: Formers, run: str, **changes: Any) -> subprocess.Popen[bytes]:
    """Start a training as the product does, on two processes."""
    stage = runs.stage(run)
    stage.mkdir(parents=True, exist_ok=True)
    spec = {**runs.train(run, **changes), "processes": PROCESSES}
    (stage / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    command = [
        *launcher(python, PROCESSES, stage / "launch"),
        str(START),
        "paddleformers.train",
        str(stage / "spec.json"),
    ]
    with (stage / "log.txt").open("ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=environment(), start_new_session=True
        )


def logged(runs: Formers, run: str) -> str:
    """Return the end of what a run wrote."""
    stage = runs.stage(run)
    logs = [stage / "log.txt", *sorted((stage / "launch").glob("workerlog.*"))]
    return "\n".join(path.read_text(errors="replace")[-3000:] for path in logs if path.exists())


@pytest.mark.parametrize("way", WAYS)
def test_a_killed_run_goes_on_exactly(way: str, runs: Formers, paddleformers_python: Path) -> None:
    whole, killed = f"{way} whole", f"{way} killed"
    assert start(paddleformers_python, runs, whole, **WAYS[way]).wait(300) == 0, logged(runs, whole)
    running = start(paddleformers_python, runs, killed, **WAYS[way])
    wait_for(lambda: len(runs.curve(killed)) >= 8, 200)  # checkpoints are at 6 and 12
    for process in psutil.process_iter(["cmdline"]):
        if str(runs.stage(killed) / "spec.json") in (process.info["cmdline"] or ()):
            process.kill()
    running.wait(60)
    assert not (runs.stage(killed) / "result.json").exists()
    assert start(paddleformers_python, runs, killed).wait(300) == 0, logged(runs, killed)
    states = [event["reason"] for event in runs.events(killed, "state") if event["state"] == "resumed"]
    assert states == ["from checkpoint-6"]
    assert runs.curve(killed) == runs.curve(whole)
    assert len(runs.curve(whole)) == 12
