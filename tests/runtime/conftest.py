"""Fixtures that need the engine to make something for several test files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.paths import engines_folder
from tests.runtime import stand_in_table
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
def llm() -> Path:
    """Folder `llm` of a checkout of PaddleNLP: upstream's own scripts."""
    found = os.environ.get("STEERSMAN_TEST_LLM")
    if not found:
        pytest.skip("needs STEERSMAN_TEST_LLM, the folder llm of a checkout of PaddleNLP 3.0.0b4")
    return Path(found).resolve()


@pytest.fixture(scope="session")
def gpu_python() -> Path:
    """The interpreter of an installed engine with CUDA; skips where there is none."""
    found = sorted(engines_folder().glob("paddlenlp-cu*/bin/python"))
    if not found or not Path("/dev/nvidiactl").exists():
        pytest.skip("needs an NVIDIA GPU and `steersman engines install paddlenlp`")
    return found[-1]


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs have stages that only pretend to work (`stand_in_table`)."""
    monkeypatch.setenv("STEERSMAN_STAGE_TABLE", stand_in_table.NAME)


@pytest.fixture
def real_stages(tmp_path: Path, engine_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs have their real stages, in a home of their own that shares the engines."""
    engines, home = engines_folder(), tmp_path / "home"
    home.mkdir()
    (home / "engines").symlink_to(engines)
    monkeypatch.setenv("STEERSMAN_HOME", str(home))
    monkeypatch.delenv("STEERSMAN_STAGE_TABLE", raising=False)
