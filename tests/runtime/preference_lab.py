"""Learn preferences in every way in one engine process, and set upstream's own trainers beside it.

`<engine python> preference_lab.py LAB.json`, with the same list as `engine_lab.py` and more things to do.
"""

# ruff: noqa: E402
from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def neighbour(name: str) -> Any:
    """Import a file of this folder; the engine does not know the project's packages."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


engine_lab = neighbour("engine_lab")

import paddle

from runtime.workers import preference_train


def do_train(spec: dict[str, Any]) -> dict[str, Any]:
    """Run the training worker of preferences."""
    Path(spec["stage_folder"]).mkdir(parents=True, exist_ok=True)
    with paddle.utils.unique_name.guard():
        return {"code": preference_train.main(spec, [])}


engine_lab.DO |= {
    name.removeprefix("do_"): value for name, value in list(globals().items()) if name.startswith("do_")
}

if __name__ == "__main__":
    sys.exit(engine_lab.main())
