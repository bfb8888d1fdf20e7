"""A real training, replayed: the same bytes, the same floats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.run.layout import RunFolder
from runtime.run.status import read_status
from tests.runtime.test_run_memory_real import folder, new_training, supervised

__all__ = ["folder"]

pytestmark = [pytest.mark.engine, pytest.mark.slow]

REPLAY = [sys.executable, "-m", "tui.command_line", "replay"]


def test_a_replay_is_equal_float_by_float_and_says_that_nothing_has_changed(
    folder: Path, tiny_hf_model: Path, engine_python: Path
) -> None:
    run = new_training(folder, "once", tiny_hf_model, per_device_train_batch_size=2, max_steps=3)
    assert supervised(run) == 0
    values = json.loads(run.versions.read_text())
    values["found"]["data"] = {
        "sha256": "-"
    }  # the rows lie ready in these tests; there is no data set to hash
    run.versions.write_text(json.dumps(values))
    (folder / "hf").symlink_to(tiny_hf_model)
    command = [*REPLAY, str(run.root), "--run", str(folder / "again"), "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert "The new run is in" in done.stderr
    again = RunFolder(folder / "again")
    assert read_status(again).state == "finished" and again.versions.exists()
    found = json.loads(done.stdout[done.stdout.index("{\n") :])
    assert found["equal"] is True and found["comparison"]["points"] == 3
    assert found["comparison"]["results"] == {"train.adapter": True}, "the same bytes"
