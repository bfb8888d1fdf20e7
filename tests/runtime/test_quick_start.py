"""Modules that wait: every way of asking for them gives what an ordinary import gives, and no worker asks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.workers import quick_start

PROJECT = Path(__file__).resolve().parents[2]
LIBRARY = {
    "library/__init__.py": """
print("library")
from library.part import Thing, make
from library import sibling
VERSION = 3
""",
    "library/part.py": """
print("part")
class Thing:
    kind = "thing"
def make():
    return Thing()
""",
    "library/sibling.py": "print('sibling')\nfrom library.part import Thing as Again\n",
    "library/seldom.py": "print('seldom')\nfrom . import VERSION\n",
    "broken/__init__.py": "import no_such_module_at_all\n",
    "user.py": "from library import Thing, make\nimport library\n",
}
PREPARE = """
import sys
sys.path[:0] = [{project!r}, {folder!r}]
from runtime.workers.quick_start import Late, QuickFinder
late = {{"library": Late(("Thing", "make")), "library.part": Late(("Thing",)), "broken": Late(("name",))}}
sys.meta_path.insert(0, QuickFinder(late))
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name, text in LIBRARY.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


CASES = {
    "nothing is executed by importing": ("import user, library, library.part; print('end')", "end"),
    "a name executes it once": (
        "import user; print(user.library.VERSION); print(user.library.VERSION)",
        "library part sibling 3 3",
    ),
    "a call": ("import user; print(user.make().kind)", "library part sibling thing"),
    "a look into a class": ("import user; print(user.Thing.kind)", "library part sibling thing"),
    "a subclass": (
        "import user\nclass More(user.Thing): pass\nprint(More().kind, issubclass(More, user.library.Thing))",
        "library part sibling thing True",
    ),
    "no instance of what nobody defined": (
        "import user; print(isinstance(3, user.Thing), issubclass(int, user.library.Thing))",
        "False False",
    ),
    "an instance afterwards": (
        "import user; print(isinstance(user.make(), user.Thing))",
        "library part sibling True",
    ),
    "a union of types": ("import user; print(len((user.Thing | None).__args__))", "library part sibling 2"),
    "a module of a package that waits": (
        "import library.seldom; print('end')",
        "library part sibling seldom end",
    ),
    "a module that the package imports itself is executed once": (
        "import library.sibling as s, sys; print(sys.modules[s.__name__] is s, s.__spec__.origin is None)",
        "library part sibling True False",
    ),
    "it stays the same module": (
        "import library as a, sys; a.VERSION; print(sys.modules['library'] is a, type(a))",
        "library part sibling True <class 'module'>",
    ),
    "what was replaced before stays replaced, and what was taken before does not change": (
        "import user, library\nlibrary.make = lambda: 'mine'\nprint(library.make())\nlibrary.VERSION\n"
        "print(library.make(), user.make().kind)",
        "mine library part sibling mine thing",
    ),
    "dir": ("import library; print('VERSION' in dir(library))", "library part sibling True"),
    "a name that is not there": (
        "import library\ntry: library.nothing\nexcept AttributeError as e: print(e)",
        "library part sibling module 'library' has no attribute 'nothing'",
    ),
    "a library that is broken says so when it is used, each time": (
        "from broken import name\nfor _ in range(2):\n"
        "    try: name()\n    except ImportError as e: print(e.name)",
        "no_such_module_at_all no_such_module_at_all",
    ),
    "where it lies is known without executing it": (
        "import library as a, importlib.util as u; print(a.__file__[-19:], u.find_spec('library').name)",
        "library/__init__.py library",
    ),
    "collections are as before": (
        "from gc import get_threshold as now; was = now(); import runtime.workers.reach; print(now() == was)",
        "True",
    ),
}


def test_every_way_of_asking_gives_what_an_ordinary_import_gives(library: Path) -> None:
    """All cases in processes of their own: modules are imported once in a process."""
    prepare = PREPARE.format(project=str(PROJECT), folder=str(library))
    running = {
        name: subprocess.Popen(
            [sys.executable, "-S", "-c", prepare + code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, (code, _) in CASES.items()
    }
    for name, process in running.items():
        output, errors = process.communicate(timeout=60)
        assert " ".join(output.split()) == CASES[name][1], (name, errors)


def test_other_versions_are_imported_as_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(quick_start, "_version", lambda package: "99.0")
    quick_start.install()
    assert sys.meta_path[0].find_spec("datasets", None) is None


ENGINE = """
import gc, importlib, json, sys
from pathlib import Path
import importlib.util
spec = importlib.util.spec_from_file_location("start", sys.argv[1])
start = importlib.util.module_from_spec(spec); spec.loader.exec_module(start)
before = gc.get_threshold()
start.register_package()
for name in sys.argv[2:]:
    importlib.import_module("runtime.workers." + name)
from runtime.workers import quick_start
from runtime.workers.late_module import LateModule, execute_late
late = sys.meta_path[0]._late
here = {name for name in late if isinstance(sys.modules.get(name), LateModule)}
executed = sorted(name for name in late if name in sys.modules and name not in here)
frozen, threshold = gc.get_freeze_count(), gc.get_threshold()
missing = []
for name in sorted(here):
    execute_late(sys.modules[name])
for name, each in late.items():
    if name in sys.modules:
        missing += [f"{name}.{part}" for part in each.names if not hasattr(sys.modules[name], part)]
import datasets, scipy.linalg, sklearn.metrics, numpy
rows = datasets.Dataset.from_dict({"a": [1, 2]})
print(json.dumps({
    "waiting": sorted(here), "executed": executed, "missing": missing, "frozen": frozen > 100000,
    "threshold": threshold == before, "rows": len(rows), "is": isinstance(rows, datasets.Dataset),
    "diagonal": scipy.linalg.block_diag([[1]], [[2]]).tolist(), "servers": hasattr(
        sys.modules.get("paddlenlp"), "SimpleServer") and sys.modules["paddlenlp"].SimpleServer.__name__,
}))
"""


def started(python: Path, *workers: str) -> dict[str, object]:
    """Import workers in an engine, then execute all that waits; return what was seen."""
    start = PROJECT / "runtime" / "workers" / "start.py"
    done = subprocess.run(
        [str(python), "-c", ENGINE, str(start), *workers],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return seen


@pytest.mark.engine
def test_no_worker_of_paddlenlp_executes_what_waits(engine_python: Path) -> None:
    workers = (
        "sft_setup",
        "sft_trainer",
        "merging",
        "converting",
        "talking",
        "preference_setup",
        "embedding_setup",
    )
    seen = started(engine_python, *workers)
    assert seen["executed"] == []
    assert {"paddlenlp.taskflow", "paddlenlp.server", "datasets", "sklearn.metrics"} <= set(seen["waiting"])  # type: ignore[call-overload]
    assert seen["missing"] == []
    assert (seen["frozen"], seen["threshold"], seen["rows"], seen["is"]) == (True, True, 2, True)
    assert (seen["diagonal"], seen["servers"]) == ([[1, 0], [0, 2]], "SimpleServer")


@pytest.mark.engine
def test_no_worker_of_paddleformers_executes_what_waits(paddleformers_python: Path) -> None:
    seen = started(
        paddleformers_python, "paddleformers.setup", "paddleformers.converting", "paddleformers.merging"
    )
    assert (seen["executed"], seen["missing"]) == ([], [])
    assert {"datasets", "sklearn.metrics"} <= set(seen["waiting"])  # type: ignore[call-overload]
    assert (seen["frozen"], seen["threshold"], seen["rows"], seen["is"]) == (True, True, 2, True)
