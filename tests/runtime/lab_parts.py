"""What every lab begins and ends with.

Labs are scripts of an engine, started by path: this folder is the first place where they look for modules.
Importing this one makes `runtime.workers` importable.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent.parent


def register_workers() -> None:
    """Make `runtime.workers` importable the way the product does it."""
    spec = importlib.util.spec_from_file_location("start", PROJECT / "runtime" / "workers" / "start.py")
    assert spec is not None and spec.loader is not None
    start = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(start)
    start.register_package()


register_workers()


def refusal(call: Any, *arguments: Any) -> dict[str, Any]:
    """Return what a call gives, or the sentence with which it is refused."""
    from runtime.workers.refusal import RefusedError

    try:
        return {"gave": call(*arguments)}
    except RefusedError as error:
        return {"refused": f"{error.what} {error.why}"}


def do_steps(lab: Mapping[str, Any]) -> None:
    """Do the steps of the file that the command names; `lab` is the script's `globals()`.

    The file is `{"out": FILE, "steps": [{"do": NAME, ...arguments}]}`; each result is a JSON line of FILE.
    """
    wanted = json.loads(Path(sys.argv[1]).read_text())
    with Path(wanted["out"]).open("w") as out:
        for step in wanted["steps"]:
            result = lab[f"do_{step.pop('do')}"](**step)
            out.write(json.dumps(result) + "\n")
            out.flush()
