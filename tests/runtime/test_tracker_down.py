"""An experiment tracker that cannot be reached never holds a training up."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from runtime.workers.reach import reachable
from tests.runtime.train_setup import Runs, rows, start, write_data


def test_a_server_is_reachable_while_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/api"
        assert reachable(address)
    assert not reachable(address)
    assert not reachable("https://no-such-host.invalid/api")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    assert reachable(address), "a proxy may reach what this machine does not"


@pytest.mark.engine
@pytest.mark.slow
def test_training_goes_on_without_a_cloud_that_is_down(
    tmp_path: Path, tiny_paddle_model: Path, engine_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWANLAB_API_KEY", "x" * 24)
    monkeypatch.setenv("SWANLAB_API_HOST", "http://127.0.0.1:9/api")
    runs = Runs(tmp_path, tiny_paddle_model, write_data(tmp_path / "data", rows(12), rows(2)))
    extras = {"tracker": "swanlab-cloud", "tracker_folder": str(tmp_path / "tracker")}
    spec = runs.spec("down", extras, max_steps=3, do_eval=False, evaluation_strategy="no")
    assert start(engine_python, 1, spec).wait(240) == 0
    assert sorted(runs.curve("down")) == [1, 2, 3]
    assert "SwanLab's cloud cannot be reached" in runs.messages("down")
    assert any((tmp_path / "tracker").iterdir()), "the figures are kept on this machine"
