"""Arrows point one way, and no Paddle in the app: each package is imported in a process of its own."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
ENGINE_LIBRARIES = {
    "paddle",
    "paddlenlp",
    "paddleformers",
    "torch",
    "transformers",
    "swanlab",
    "tensorflow",
    "jax",
}
INPUT_AND_OUTPUT = {
    "textual",
    "datasets",
    "psutil",
    "huggingface_hub",
    "modelscope",
    "aistudio_sdk",
    "pynvml",
    "uv",
}
IMPORT_ALL = """
import importlib, json, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for found in pkgutil.walk_packages(package.__path__, name + "."):
        if not found.name.startswith("runtime.workers"):
            importlib.import_module(found.name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def imported_by(*packages: str) -> set[str]:
    """Return the top-level modules that are loaded once every module of `packages` is imported."""
    command = [sys.executable, "-c", IMPORT_ALL, *packages]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def imports_in(folder: str) -> dict[str, set[str]]:
    """Return file -> top-level names that it imports anywhere, functions included."""
    found: dict[str, set[str]] = {}
    for file in (PROJECT / folder).rglob("*.py"):
        names: set[str] = set()
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
        found[str(file.relative_to(PROJECT))] = names
    assert found
    return found


def test_the_app_never_imports_an_engines_libraries() -> None:
    assert not imported_by("planner", "runtime", "tui") & ENGINE_LIBRARIES


def test_the_planner_is_pure() -> None:
    loaded = imported_by("planner")
    assert not loaded & (ENGINE_LIBRARIES | INPUT_AND_OUTPUT | {"runtime", "tui"})
    for file, names in imports_in("planner").items():
        assert not names & {"subprocess", "socket", "urllib", "http", "shutil", "tempfile"}, file


def test_nothing_but_the_terminal_imports_the_terminal() -> None:
    assert "tui" not in imported_by("planner", "runtime")
    for folder in ("planner", "runtime"):
        for file, names in imports_in(folder).items():
            assert not names & {"tui", "textual"}, file


def test_workers_import_nothing_of_the_app_but_each_other() -> None:
    for file, names in imports_in("runtime/workers").items():
        assert not names & {"planner", "tui", "click", "platformdirs", "torch", "transformers"}, file
        text = (PROJECT / file).read_text("utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("runtime"):
                assert (node.module or "").startswith("runtime.workers"), file


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_loads_no_heavy_library(arguments: list[str]) -> None:
    """`--help` has to answer at once; the figure is measured by the benchmark, its cause is guarded here."""
    code = (
        "import contextlib, sys\n"
        "from tui.command_line import main\n"
        "with contextlib.suppress(SystemExit): main(sys.argv[1:])\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    loaded = set(ast.literal_eval(done.stdout.splitlines()[-1]))
    assert not loaded & {
        "numpy",
        "datasets",
        "pydantic",
        "textual",
        "huggingface_hub",
        "yaml",
        *ENGINE_LIBRARIES,
    }
