"""The whole chain of real stages on a tiny model, killed once in every stage."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from planner.facts import Facts
from planner.planfile import dumps
from planner.solve import make_plan
from planner.wishes import Wishes
from runtime.acquire.resolve import resolve_model
from runtime.data.scan import scan
from runtime.probe import probe_hardware
from runtime.run import processes
from runtime.run.layout import RunFolder, create_run
from runtime.run.processes import Identity, members
from runtime.run.start import start_supervisor
from runtime.run.status import read_status
from runtime.run.task import build_table
from tests.runtime.stand_in_run import events, nobody_left, reason, states, wait_until

PINS = {
    "method": "full",  # a tiny random model learns to end its answers only with all of its weights
    "num_train_epochs": 8,
    "learning_rate": 0.003,
    "max_new_tokens": 200,
    "save_steps": 20,
    "eval_steps": 60,
}


@pytest.fixture
def run(tiny_hf_model: Path, real_stages: None, tmp_path: Path) -> RunFolder:
    """A run of the bundled data with a tiny model, in a home of its own that shares the engine."""
    data = scan("steersman-demo", tiny_hf_model, max_length=512, src_length=256, seed=42, dev_fraction=0.1)
    facts = Facts(model=resolve_model(str(tiny_hf_model)), data=data.facts, hardware=probe_hardware(tmp_path))
    return create_run(tmp_path / "run", dumps(make_plan(facts, Wishes(pins=PINS))))


@pytest.mark.engine
@pytest.mark.slow
def test_killed_in_every_stage_the_run_ends_as_if_nothing_had_happened(run: RunFolder) -> None:
    stages = build_table(run).stages
    for stage in stages:
        kill_everything_in(stage, run)
        assert read_status(run).state == "lost"
        earlier = stages[: stages.index(stage)]
        assert all("committed" in states(run, name) for name in earlier)
    supervisor = start_supervisor(run)
    assert supervisor.wait(600) == 0, read_status(run).reason
    assert read_status(run).state == "finished"
    for stage in stages:
        assert states(run, stage).count("committed") == 1, "what was proven once was never done again"
    assert reason(run, "train", "redone") == "it was interrupted"
    trained = [event.step for event in events(run) if event.kind == "metric" and "loss" in event.values]
    assert trained[-1] == build_table(run).plan.value("max_steps")
    assert trained.count(trained[0]) == 1, "training continued from its checkpoint, not from the beginning"
    report = json.loads((run.stage("report").root / "report.json").read_text())
    assert {proof["name"] for proof in report["proofs"]} >= {
        "convert.logits",
        "merge.logits",
        "merge.tokens",
        "generate.answers",
    }
    assert any(row["what"] == "Peak memory of one training process" for row in report["comparisons"])
    assert len(report["samples"]) == 8
    assert nobody_left(run)


def kill_everything_in(stage: str, run: RunFolder) -> None:
    """Start the run, and kill -9 supervisor and workers in the middle of `stage`."""
    supervisor = start_supervisor(run)
    folder = run.stage(stage)

    def at_work() -> bool:
        assert supervisor.poll() is None, read_status(run).reason
        if stage == "train":  # after a checkpoint, so that there is something to continue from
            return "saved" in states(run, stage)
        return states(run, stage)[-1:] == ["started"] and Identity.load(folder.process) is not None

    wait_until(at_work, f"{stage} is at work", 300)
    victims = members(folder.root, Identity.load(folder.process))
    supervisor.kill()
    processes.send(victims, signal.SIGKILL)
    supervisor.wait()
    assert not processes.wait_for_end(victims, 10)
