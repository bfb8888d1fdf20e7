"""Lock files: pinned, hashed, free of addresses, and holding the pins that make the engine import."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from planner.engine_builds import engines
from runtime.engines.extras import EXTRAS, extra_lock
from runtime.engines.locks import APP_LOCK, FOLDER, lock_hash, lock_path, pins

ENGINE_LOCKS = [lock_path(engine, build) for engine, row in engines().items() for build in row.builds]
GPU_LOCKS = [
    lock_path(engine, build) for engine, row in engines().items() for build in row.builds if build != "cpu"
]


def entries(path: Path) -> list[str]:
    """Return the requirements of a lock, each with its continuation lines."""
    lines = "".join(
        line for line in path.read_text("utf-8").splitlines(keepends=True) if not line.startswith("#")
    )
    return [entry for entry in lines.replace("\\\n", " ").splitlines() if entry.strip()]


def test_no_lock_is_forgotten() -> None:
    assert {path.name for path in ENGINE_LOCKS} == {path.name for path in FOLDER.glob("*.txt")}


@pytest.mark.parametrize("path", [*ENGINE_LOCKS, APP_LOCK], ids=lambda path: path.name)
def test_locks_pin_and_hash_everything_and_name_no_registry(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--index|--extra-index|--find-links)", text, re.MULTILINE)
    assert len(entries(path)) > 50
    for entry in entries(path):
        assert re.match(r"[A-Za-z0-9._-]+==[^\s;]+", entry), entry
        assert "--hash=sha256:" in entry, entry


NLP_LOCKS = [path for path in ENGINE_LOCKS if path.name.startswith("paddlenlp")]
FORMERS_LOCKS = [path for path in ENGINE_LOCKS if path.name.startswith("paddleformers")]


@pytest.mark.parametrize("path", FORMERS_LOCKS, ids=lambda path: path.name)
def test_engine_locks_hold_the_pins_without_which_paddleformers_does_not_import(path: Path) -> None:
    found = pins(path.read_text("utf-8"))
    assert found["paddleformers"] == ["1.2.0"]
    assert found["numpy"] == ["1.26.4"]
    assert all(version.startswith("5.") for version in found["transformers"])
    assert all(int(version.split(".")[0]) < 24 for version in found["pyarrow"])
    assert {"pip", "setuptools", "swanlab", "safetensors"} <= found.keys()


@pytest.mark.parametrize("path", NLP_LOCKS, ids=lambda path: path.name)
def test_engine_locks_hold_the_pins_without_which_paddlenlp_does_not_import(path: Path) -> None:
    found = pins(path.read_text("utf-8"))
    assert found["paddlenlp"] == ["3.0.0b4"]
    assert found["aistudio-sdk"] == ["0.2.6"]
    assert found["numpy"] == ["1.26.4"]
    assert all(int(version.split(".")[0]) < 24 for version in found["pyarrow"])
    assert {"pip", "setuptools", "swanlab", "safetensors"} <= found.keys()


@pytest.mark.parametrize("path", GPU_LOCKS, ids=lambda path: path.name)
def test_gpu_locks_say_why_paddle_itself_is_not_in_them(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not {"paddlepaddle", "paddlepaddle-gpu"} & pins(text).keys()
    assert "# paddlepaddle-gpu==3.3.1 is missing here on purpose" in text


@pytest.mark.parametrize("path", NLP_LOCKS, ids=lambda path: path.name)
def test_nothing_is_pinned_for_an_interpreter_that_would_have_to_compile_it(path: Path) -> None:
    (optimizer,) = [entry for entry in entries(path) if entry.startswith("onnxoptimizer")]
    assert "python_full_version < '3.12'" in optimizer


def test_the_cpu_lock_holds_paddle_and_the_app_lock_does_not() -> None:
    assert pins(lock_path("paddlenlp", "cpu").read_text("utf-8"))["paddlepaddle"] == ["3.3.1"]
    app = pins(APP_LOCK.read_text("utf-8"))
    assert not {"paddlepaddle", "paddlenlp", "torch", "transformers"} & app.keys()
    assert {"textual", "uv", "pytest"} <= app.keys()


@pytest.mark.parametrize("name", sorted({name for names in EXTRAS.values() for name in names}))
def test_what_lies_beside_an_engine_is_pinned_and_hashed_too(name: str) -> None:
    locked = entries(extra_lock(name))
    assert all("--hash=sha256:" in entry for entry in locked)
    found = pins(extra_lock(name).read_text("utf-8"))
    assert found[name] == ["2.6.0"]
    assert int(found["setuptools"][0].split(".")[0]) < 81, "newer ones have no pkg_resources"
    assert not {"paddlepaddle", "numpy", "opencv-python"} & found.keys(), "those are the engine's own matter"


def test_each_build_has_an_identity_of_its_own() -> None:
    hashes = {lock_hash("paddlenlp", build) for build in engines()["paddlenlp"].builds}
    assert len(hashes) == len(engines()["paddlenlp"].builds)
