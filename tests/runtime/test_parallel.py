"""Parallel trainings for accelerators on a machine without one: the engine takes the config, and stops at the
device in words. `test_parallel_gpu.py` goes on from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.parallel_ways import WAYS
from tests.runtime.train_setup import Runs, rows, start, write_data

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.mark.parametrize("name", WAYS)
def test_it_gets_as_far_as_the_device(
    name: str, tiny_paddle_model: Path, engine_python: Path, tmp_path: Path
) -> None:
    way = WAYS[name]
    runs = Runs(tmp_path, tiny_paddle_model, write_data(tmp_path / "data", rows(23), rows(6, seed=1)))
    assert start(engine_python, way.processes, runs.spec("run", device="gpu", **way.changes)).wait(300) == 1
    assert "PaddleNLP accepts the config, but it asks for device gpu" in runs.messages("run")


def test_a_config_that_the_engine_does_not_know_gets_less_far(
    tiny_paddle_model: Path, engine_python: Path, tmp_path: Path
) -> None:
    runs = Runs(tmp_path, tiny_paddle_model, write_data(tmp_path / "data", rows(23), rows(6, seed=1)))
    assert start(engine_python, 1, runs.spec("run", device="gpu", tensor_paralel_degree=2)).wait(300) == 1
    assert "accepts the config" not in runs.messages("run")
    assert "tensor_paralel_degree" in runs.messages("run")
