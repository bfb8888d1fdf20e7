"""The first step on a fresh machine: what `make` runs before anything is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.app_environment import STAMP

PROJECT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that the first step reads, in a place of their own."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / "runtime").mkdir()
    for name in ("__init__.py", "app_environment.py"):
        shutil.copy(PROJECT / "runtime" / name, tmp_path / "runtime" / name)
    return tmp_path


def bootstrap(clone: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys._base_executable, "-m", "runtime.app_environment", *arguments]  # type: ignore[attr-defined]
    environment = {**os.environ, "PATH": "/usr/bin:/bin", **variables}
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False, env=environment)


def test_ready_is_told_by_the_exit_code_without_doing_anything(clone: Path) -> None:
    assert bootstrap(clone, "--ready").returncode == 1
    assert not (clone / ".venv").exists()


def test_a_python_that_cannot_make_environments_gets_the_name_of_the_package(
    clone: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "venv.py").write_text("import sys; sys.exit('ensurepip is not available')\n")
    done = bootstrap(clone, PYTHONPATH=str(broken))
    assert done.returncode == 2
    assert f"apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv" in done.stderr
    assert "ensurepip is not available" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (clone / ".venv").exists()


def test_an_environment_from_another_place_is_made_again(clone: Path) -> None:
    """Its scripts hold absolute paths, so a moved clone would run the old place's files."""
    python = clone / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys._base_executable)  # type: ignore[attr-defined]
    (clone / ".venv" / STAMP.name).write_text('{"inputs": "x", "project": "/another/place"}')
    done = bootstrap(clone, PIP_INDEX_URL="http://127.0.0.1:9/", PIP_RETRIES="0", PIP_CONFIG_FILE=os.devnull)
    assert "Making the app's environment" in done.stdout
    assert done.returncode == 2
    assert "uv could not be fetched with pip" in done.stderr
    assert not (clone / ".venv" / STAMP.name).exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_without_any_python_says_what_to_install(clone: Path, tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path / "empty"), "HOME": str(tmp_path)}
    make = shutil.which("make")
    done = subprocess.run(
        [str(make), "env"], cwd=clone, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 2
    assert "no Python 3.10 to 3.13 was found" in done.stderr
