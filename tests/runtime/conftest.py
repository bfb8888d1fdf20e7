"""Fixtures that need the engine to make something for several test files."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.paths import engines_folder
from tests.runtime.results_setup import Trained, make_taught, make_trained


@pytest.fixture(scope="session")
def trained(engine_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    """Tiny llama and qwen2, tied and untied, each converted and with an adapter. Never write into them."""
    return make_trained(engine_python, tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="session")
def taught(
    trained: dict[str, Trained], engine_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """A tiny llama: folder `taught` has learnt one answer, `silent` to say nothing. Never write into it."""
    return make_taught(engine_python, tmp_path_factory.mktemp("taught") / "model", trained["llama-tied"])


@pytest.fixture(scope="session")
def gpu_python() -> Path:
    """The interpreter of an installed engine with CUDA; skips where there is none."""
    found = sorted(engines_folder().glob("paddlenlp-cu*/bin/python"))
    if not found or not Path("/dev/nvidiactl").exists():
        pytest.skip("needs an NVIDIA GPU and `steersman engines install paddlenlp`")
    return found[-1]
