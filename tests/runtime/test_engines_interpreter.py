"""Interpreters are believed only after they ran."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from planner.errors import BadInput
from runtime.engines import interpreter
from runtime.engines.interpreter import ask, candidates, find_interpreter, working_interpreters

THIS = f"{sys.version_info[0]}.{sys.version_info[1]}"


def script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_this_interpreter_is_preferred_where_it_fits() -> None:
    found = find_interpreter([THIS], "it is a test")
    assert found.version.startswith(THIS)
    assert not found.path.startswith(sys.prefix) or sys.prefix == sys.base_prefix


@pytest.mark.parametrize(
    "text",
    [
        "echo 'pyenv: python3.12: command not found' >&2; exit 127",
        "exit 0",
        "echo hello",
        "printf 'PyPy\\n3.11\\n3.11.0\\n64\\n/x\\n'",
        "printf 'CPython\\n3.11\\n3.11.0\\n32\\n/x\\n'",
    ],
    ids=["shim", "silent", "chatty", "pypy", "32 bit"],
)
def test_a_command_that_is_no_working_cpython_is_passed_over(text: str, tmp_path: Path) -> None:
    assert ask(str(script(tmp_path, "python3.11", text))) is None


def test_a_failing_shim_does_not_end_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shims, real = tmp_path / "shims", tmp_path / "real"
    shims.mkdir(), real.mkdir()
    script(shims, "python3.11", "exit 127")
    script(real, "python3.11", "printf 'CPython\\n3.11\\n3.11.9\\n64\\n/real/python\\n'")
    monkeypatch.setenv("PATH", f"{shims}{os.pathsep}{real}")
    monkeypatch.setattr(sys, "_base_executable", "/nonexistent")
    monkeypatch.setattr(interpreter, "INSTALLATIONS", ())
    assert find_interpreter(["3.10", "3.11", "3.12"], "") == ("/real/python", "3.11.9")


def test_installations_of_version_managers_are_found_without_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "versions/3.12.1/bin"
    place.mkdir(parents=True)
    script(place, "python3", "printf 'CPython\\n3.12\\n3.12.1\\n64\\n/managed/python\\n'")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(sys, "_base_executable", "/nonexistent")
    assert str(place / "python3") in list(candidates(("3.12",)))
    assert working_interpreters(["3.12"]) == [("/managed/python", "3.12.1")]


def test_nothing_found_is_one_sentence_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "candidates", lambda versions: iter(()))
    with pytest.raises(BadInput, match=r"No Python 3\.10 to 3\.12 was found") as caught:
        find_interpreter(["3.10", "3.11", "3.12"], "NumPy 1.26 has no wheel for 3.13")
    assert "NumPy 1.26" in caught.value.why
    assert "3.12" in caught.value.remedy
