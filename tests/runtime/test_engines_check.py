"""Checking an engine: the real one, the real one broken in known ways, and ends that no exception reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.engines import registry
from runtime.engines.check import CheckReport, check, check_python
from runtime.engines.install import install
from runtime.engines.locks import APP_LOCK, pins
from runtime.engines.remedies import explain_check, explain_signal
from runtime.engines.uv_tool import environment, uv_binary
from runtime.workers import check as worker

AGAIN = "`steersman engines install paddlenlp --build cpu --fresh`"


def problems(report: CheckReport) -> dict[str, str]:
    return {finding.subject: f"{finding.sentence} {finding.remedy}" for finding in report.problems()}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with pip and NumPy's absence: enough to start the worker, far from an engine."""
    folder = tmp_path_factory.mktemp("bare") / "environment"
    subprocess.run(
        [uv_binary(), "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder)], check=True
    )
    return folder


@pytest.fixture
def fake_paddle(bare: Path) -> Iterator[Path]:
    """The file of a module `paddle` in the bare environment."""
    (site,) = bare.glob("lib/python*/site-packages")
    module = site / "paddle.py"
    yield module
    module.unlink(missing_ok=True)


def test_a_missing_package_is_named(bare: Path) -> None:
    found = problems(check_python(bare / "bin/python", "paddlenlp", "cpu"))
    assert found["paddle"] == f"A package is missing from the engine: paddle. Put it back with {AGAIN}."


@pytest.mark.parametrize(
    ("number", "words"), [(4, "illegal instruction"), (11, "segmentation fault"), (9, "killed")]
)
def test_a_crash_names_the_probe_and_the_cause(
    bare: Path, fake_paddle: Path, number: int, words: str
) -> None:
    fake_paddle.write_text(f"import os\nos.kill(os.getpid(), {number})\n")
    report = check_python(bare / "bin/python", "paddlenlp", "cpu")
    assert not report.ok
    assert words in problems(report)["paddle"]


def test_the_wrong_build_of_paddle_is_told(bare: Path, fake_paddle: Path) -> None:
    fake_paddle.write_text("__version__ = '3.3.1'\ndef is_compiled_with_cuda(): return False\n")
    found = problems(check_python(bare / "bin/python", "paddlenlp", "cu126"))
    assert "without CUDA, but the build is cu126" in found["paddle"]


def test_both_paddle_wheels_at_once_are_told(bare: Path) -> None:
    (site,) = bare.glob("lib/python*/site-packages")
    made = [site / f"{name}-3.3.1.dist-info" for name in ("paddlepaddle", "paddlepaddle_gpu")]
    try:
        for folder in made:
            folder.mkdir()
            name = folder.name.split("-")[0].replace("_", "-")
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 3.3.1\n")
        found = problems(check_python(bare / "bin/python", "paddlenlp", "cpu"))
        assert "Both paddlepaddle and paddlepaddle-gpu are installed" in found["packages"]
    finally:
        for folder in made:
            (folder / "METADATA").unlink(missing_ok=True)
            folder.rmdir()


def test_an_interpreter_that_does_not_start_is_a_finding(tmp_path: Path) -> None:
    assert not check_python(tmp_path / "no/python", "paddlenlp", "cpu").ok


class Array(np.ndarray[Any, Any]):
    """A NumPy array that answers `.numpy()`, as a Paddle tensor does."""

    def numpy(self) -> Any:
        return np.asarray(self)


@pytest.mark.parametrize(("scale", "right"), [(1.0, True), (1.001, False), (float("nan"), False)])
def test_wrong_arithmetic_is_caught(scale: float, right: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = types.ModuleType("paddle")
    stub.to_tensor = lambda values: values.view(Array)  # type: ignore[attr-defined]
    stub.matmul = lambda a, b: (np.asarray(a) @ np.asarray(b) * scale).view(Array)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "paddle", stub)
    if right:
        assert "within" in worker.arithmetic({})[0]
    else:
        with pytest.raises(worker.BrokenError, match="matmul differs from NumPy's"):
            worker.arithmetic({})


def test_wrong_numbers_are_told_as_such() -> None:
    text = "Paddle's a / b differs from NumPy's by 3.0e-01 of the largest value"
    sentence, remedy = explain_check(text, "paddlenlp", "cu126")
    assert sentence.startswith("Paddle's a / b differs from NumPy's by 3.0e-01: this build computes wrong")
    assert "Do not train" in remedy


def test_every_known_failure_has_words_and_a_remedy() -> None:
    text = "ImportError: cannot import name 'download' from 'aistudio_sdk.hub' (/x/hub.py)"
    assert explain_check(text, "paddlenlp", "cpu") == (
        "aistudio-sdk is too new for paddlenlp: version 0.3 removed a function that it imports.",
        f"Put the pinned versions back with {AGAIN}.",
    )
    assert "{" not in "".join(explain_signal(11, "paddlenlp", "cpu"))
    assert explain_check("Traceback\nValueError: odd\n", "paddlenlp", "cpu")[0] == "ValueError: odd"


def uv(python: Path, *arguments: str) -> None:
    command = [uv_binary(), "pip", *arguments, "--quiet", "--python", str(python)]
    subprocess.run(command, check=True, env=environment(), cwd=python.parent)


@pytest.mark.engine
@pytest.mark.slow
def test_the_real_engine_is_installed_proved_and_its_breakages_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEERSMAN_HOME", str(tmp_path))
    python = install("paddlenlp", "cpu", lambda _: None)
    report = check("paddlenlp", "cpu")
    assert report.ok and not report.cached, report.findings
    assert report.versions["paddle"] == "3.3.1" and report.versions["paddlenlp"] == "3.0.0b4"
    assert {finding.subject for finding in report.findings} == {name for name, _ in worker.PROBES}

    assert check("paddlenlp", "cpu").cached

    uv(python, "uninstall", "pip")
    report = check("paddlenlp", "cpu")
    assert not report.ok and not report.cached
    assert "pip is gone" in problems(report)["packages"]
    assert (
        "pip is missing from the engine" in problems(report)["toolkit"]
        and AGAIN in problems(report)["toolkit"]
    )

    manifest = registry.read_manifest(python.parent.parent)
    assert manifest is not None
    newer = pins(APP_LOCK.read_text("utf-8"))["aistudio-sdk"][0]
    uv(python, "install", "--no-deps", f"pip=={manifest.packages['pip']}", f"aistudio-sdk=={newer}")
    found = problems(check("paddlenlp", "cpu"))
    assert f"aistudio-sdk is {newer}, not 0.2.6" in found["packages"]
    assert "aistudio-sdk is too new for paddlenlp" in found["toolkit"] and AGAIN in found["toolkit"]

    install("paddlenlp", "cpu", lambda _: None, fresh=True)
    report = check("paddlenlp", "cpu")
    assert report.ok, report.findings


@pytest.mark.engine
def test_the_check_worker_answers_through_the_starter(engine_python: Path, tmp_path: Path) -> None:
    spec = {"stage": "check", "stage_folder": str(tmp_path), "engine": "paddlenlp", "build": "cpu"}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    start = Path(worker.__file__).with_name("start.py")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(engine_python), str(start), "check", str(tmp_path / "spec.json")]
    subprocess.run(command, check=True, cwd=tmp_path, env=environ, capture_output=True)
    assert json.loads((tmp_path / "result.json").read_text())["figures"]["devices"] == 0
