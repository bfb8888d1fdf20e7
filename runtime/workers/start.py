"""Start one worker module by path, inside an engine: `python start.py MODULE SPEC.json [MORE...]`.

Paddle's launcher wants a script file, and the app's packages must stay invisible to the engine. So this
file registers the package `runtime.workers` by hand, without putting the project's folder on the import path,
and runs the module's `main(spec, arguments)`. `spec` is the parsed JSON file, with its path in `spec_path`.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def register_package() -> None:
    """Make `runtime.workers.*` importable from this folder, and nothing else of the project; quickly."""
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
    for name, folder in (("runtime", HERE.parent), ("runtime.workers", HERE)):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    importlib.import_module("runtime.workers.quick_start").install()


def read_spec(path: str) -> dict[str, Any]:
    """Return the worker's specification with its own path added."""
    spec: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    spec["spec_path"] = str(Path(path).resolve())
    return spec


def main() -> int:
    """Run the named worker and return its exit code."""
    module_name, spec_path, *arguments = sys.argv[1:]
    register_package()
    worker = importlib.import_module(f"runtime.workers.{module_name}")
    return int(worker.main(read_spec(spec_path), arguments) or 0)


if __name__ == "__main__":
    sys.exit(main())
