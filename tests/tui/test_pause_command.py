"""`steersman pause` and `steersman checkpoint`, as a person types them, on real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.run.status import read_status
from tests.runtime import stand_in_table
from tests.runtime.stand_in_run import events, new_run, start, states, wait_until


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_STAGE_TABLE", stand_in_table.NAME)
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path / "home"))


def steersman(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tui.command_line", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_checkpoint_is_saved_and_a_pause_remembered(tmp_path: Path) -> None:
    run = new_run(tmp_path / "mine", train={"steps": 3000, "step_seconds": 0.1, "stop_seconds": 60})
    supervisor = start(run)
    wait_until(lambda: any(event.kind == "metric" for event in events(run)), "training")
    done = steersman("checkpoint", run.root)
    assert (done.returncode, "it is saved after this step" in done.stderr) == (0, True)
    wait_until(lambda: "saved" in states(run, "train"), "saved")
    done = steersman("pause", run.root)
    assert done.returncode == 0
    assert f"Continue with: steersman resume {run.root}" in done.stderr
    assert supervisor.wait(60) == 130
    assert read_status(run).state == "paused"
    assert "paused" in steersman("runs").stdout
    for command in ("pause", "checkpoint"):
        refused = steersman(command, run.root)
        assert (refused.returncode, "is not running" in refused.stderr) == (2, True)
