"""Run inside the paddleformers engine: parse every YAML of a folder as its CLI does; print what differs.

The process group that the arguments would build is replaced by a stand-in: there is neither a GPU nor a
second machine here. Everything else is the engine's own code.
"""

# ruff: noqa: E402
from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

runpy.run_path(str(Path(__file__).resolve().parents[2] / "runtime/workers/start.py"))["register_package"]()

import paddle.distributed
import yaml
from paddleformers.cli.hparams.parser import get_export_args, get_train_args
from paddleformers.trainer import training_args

DERIVED = {"bf16", "fp16"}
"""Fields that the engine derives itself."""


class AnyFleet:
    """Answers to every name, call and index."""

    def __getattr__(self, name: str) -> AnyFleet:
        if name.startswith("__"):
            raise AttributeError(name)
        return AnyFleet()

    def __call__(self, *positional: Any, **named: Any) -> AnyFleet:
        return AnyFleet()


def fault(path: Path, processes: int) -> str:
    """Return why the parser refuses a config or changes a value of it; empty when it does neither."""
    training_args.get_world_size = paddle.distributed.get_world_size = lambda group=None: processes
    said = io.StringIO()
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    parse = get_train_args if "stage" in written else get_export_args
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parsed = parse(dict(written))
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error} {said.getvalue()[-300:]}"
    for key, value in written.items():
        if key == "sharding" and written.get("sharding_parallel_size", 1) == 1:
            continue  # one replica: it stands idle, of which the plan warns
        holder = next((part for part in parsed if hasattr(part, key)), None)
        if holder is None:
            return f"{key} is kept nowhere"
        got = getattr(getattr(holder, key), "value", getattr(holder, key))
        if key == "sharding":
            got = " ".join(getattr(option, "value", option) for option in got)
        if key == "report_to":
            got = " ".join(got) or "none"
        if key.endswith("parallel_size") and (value, got) == (1, -1):
            continue  # what one process cannot split is put back to the default
        if got != value or isinstance(got, bool) != isinstance(value, bool):
            return f"{key}: {value!r} became {got!r}"
    return ""


def main(folder: Path) -> None:
    """Print faults by file name as JSON."""
    os.environ["PADDLE_RANK_IN_NODE"] = "0"
    training_args.fleet = AnyFleet()
    paddle.distributed.fleet.fleet._user_defined_strategy = paddle.distributed.fleet.DistributedStrategy()
    training_args.paddle.set_device = lambda device: None
    worlds = json.loads((folder / "worlds.json").read_text(encoding="utf-8"))
    found = {path.name: fault(path, worlds[path.name]) for path in sorted(folder.glob("config-*.yaml"))}
    print("FAULTS" + json.dumps({name: words for name, words in found.items() if words}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
