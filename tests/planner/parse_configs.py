"""Run inside the engine: parse every config of a folder as upstream's script does and print what is not as
written.

Plans for GPUs are parsed here too: the process group that their arguments would build is replaced by a
stand-in, since there is neither a GPU nor a second machine. Everything else is the engine's own code.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paddle.distributed
from paddlenlp.trainer import PdArgumentParser, training_args
from paddlenlp.trl import DataConfig, ModelConfig, SFTConfig


class AnyFleet:
    """Answers to every name and call; has no members."""

    def __getattr__(self, name: str) -> AnyFleet:
        if name.startswith("__"):
            raise AttributeError(name)
        return AnyFleet()

    def __call__(self, *positional: Any, **named: Any) -> AnyFleet:
        return AnyFleet()

    def __iter__(self) -> Iterator[AnyFleet]:
        return iter(())


def fault(path: Path, processes: int) -> str:
    """Return why the parser refuses a config or changes a value of it; empty when it does neither."""
    training_args.get_world_size = paddle.distributed.get_world_size = lambda group=None: processes
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parser = PdArgumentParser((ModelConfig, DataConfig, SFTConfig))
            parsed = parser.parse_json_file(str(path))
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error} {said.getvalue()[-300:]}"
    written = json.loads(path.read_text(encoding="utf-8"))
    for key, value in written.items():
        if key.startswith("sharding") and written.get("sharding_parallel_degree") == 1:
            continue  # one replica: it stands idle, of which the plan warns
        holder = next(part for part in parsed if hasattr(part, key))
        got = getattr(holder, key)
        got = getattr(got, "value", got)
        if key in ("sharding", "report_to"):  # these become lists
            got = [getattr(option, "value", option) for option in got] or "none"
            value = value if value == got else [value]
        if key == "unified_checkpoint_config":
            got = " ".join(got)
        if got != value:
            return f"{key}: {value!r} became {got!r}"
    return ""


def main(folder: Path) -> None:
    """Print faults by file name as JSON."""
    os.environ["PADDLE_RANK_IN_NODE"] = "0"
    training_args.fleet = AnyFleet()
    training_args.paddle.set_device = lambda device: None
    worlds = json.loads((folder / "worlds.json").read_text(encoding="utf-8"))
    found = {path.name: fault(path, worlds[path.name]) for path in sorted(folder.glob("config-*.json"))}
    print("FAULTS" + json.dumps({name: words for name, words in found.items() if words}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
