"""A whole run on two machines, really: two `steersman run` on the loopback, each with a training process of
its own, data parallel over gloo; one is killed, and the run goes on where it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from planner.errors import ExitCode
from planner.facts import Facts
from planner.hardware_text import parse
from planner.methods import runnable
from planner.planfile import dumps
from planner.solve import make_plan
from planner.wishes import Wishes
from runtime.acquire.resolve import resolve_model
from runtime.data.scan import scan
from runtime.run.layout import RunFolder
from runtime.run.machine_host import free_port
from runtime.run.processes import Identity, members
from runtime.run.status import read_status
from tests.runtime.stand_in_run import events, nobody_left, states, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

HERE = "127.0.0.1"
PINS = {
    "method": "full",
    "num_train_epochs": 8,
    "learning_rate": 0.003,
    "max_new_tokens": 200,
    "save_steps": 10,
    "eval_steps": 60,
}


@pytest.fixture
def plan(tiny_hf_model: Path, real_stages: None, tmp_path: Path) -> Path:
    data = scan("steersman-demo", tiny_hf_model, max_length=512, src_length=256, seed=42, dev_fraction=0.1)
    hardware = parse("2 machines, each 1 amd core 8g")
    facts = Facts(model=resolve_model(str(tiny_hf_model)), data=data.facts, hardware=hardware)
    made = make_plan(facts, Wishes(pins=PINS))
    assert made.value("num_processes") == 2 and not runnable(made)
    path = tmp_path / "plan.yaml"
    path.write_text(dumps(made, path.name), encoding="utf-8")
    return path


def test_one_of_two_machines_is_killed_and_the_run_goes_on(plan: Path, tmp_path: Path) -> None:
    run, port = RunFolder(tmp_path / "run"), free_port(HERE)

    def machine(rank: int) -> subprocess.Popen[bytes]:
        place = ["--run", str(run.root), "--master", f"{HERE}:{port}", "--machine-rank", str(rank)]
        with (tmp_path / f"machine-{rank}.txt").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tui.command_line", "run", str(plan), *place],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def said(rank: int) -> str:
        return " ".join((tmp_path / f"machine-{rank}.txt").read_text().split())

    def saved() -> bool:
        assert first.poll() is None, said(0)
        return "saved" in states(run, "train")

    first, second = machine(0), machine(1)
    wait_until(saved, "a checkpoint", 300)
    share = run.stage("train").root / "machine-1"
    trainers = members(share, Identity.load(share / "process.json"))
    assert len(trainers) >= 2, "the launcher, and a training process"
    second.kill()
    assert first.wait(120) == ExitCode.STAGE_FAILED
    assert "Machine 1 (" in said(0) and "is gone." in said(0) and "--machine-rank 1" in said(0)
    before = max(event.step for event in events(run) if event.kind == "metric")

    first, second = machine(0), machine(1)
    assert (first.wait(600), second.wait(60)) == (0, 0), said(0) + said(1)
    assert read_status(run).state == "finished"
    assert "Joined the run" in said(1) and "train: done here." in said(1)
    trained = [event.step for event in events(run) if event.kind == "metric" and "loss" in event.values]
    assert trained.count(trained[0]) == 1 and trained[-1] > before, "it went on from its checkpoint"
    assert states(run, "convert").count("committed") == 1
    proofs = {event.name for event in events(run) if event.kind == "proof" and event.passed}
    assert {"convert.logits", "merge.logits", "merge.tokens"} <= proofs
    assert nobody_left(run)
