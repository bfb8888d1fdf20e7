"""Run inside an engine: parse configs with its own parser and print what it refuses, as JSON index -> error.

Reads {"script": {...name: [kind, default]...}, "cases": [[script, values, processes], ...]} from a file. The
distributed layer is replaced by a stand-in, since there is one process here; all else is the engine's own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any

runpy.run_path(str(Path(__file__).resolve().parents[1] / "runtime/workers/start.py"))["register_package"]()


class AnyFleet(int):
    """Answers to every name, call and index, and counts as 1 where a number of processes is wanted."""

    def __new__(cls) -> AnyFleet:
        return super().__new__(cls, 1)

    def __getattr__(self, name: str) -> Any:
        return AnyFleet()

    def __call__(self, *positional: Any, **named: Any) -> Any:
        return AnyFleet()

    def __getitem__(self, key: Any) -> Any:
        return AnyFleet()

    def __setitem__(self, key: Any, value: Any) -> None:
        return None

    def __contains__(self, key: Any) -> bool:
        return False  # without it, `in` would ask for one index after another, for ever

    def __iter__(self) -> Any:
        return iter(())


class Strategy:
    """A strategy that takes what the pinned Paddle takes; the muon switch came later."""

    def __init__(self) -> None:
        object.__setattr__(self, "hybrid_configs", AnyFleet())

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "use_muon_sharding":
            raise TypeError(f"{name} is not a attribute of DistributedStrategy")
        if name != "hybrid_configs":
            object.__setattr__(self, name, value)


def stand_in(training_args: Any, processes: int) -> None:
    """Let the arguments believe in a number of processes."""
    import paddle

    fleet = AnyFleet()
    fleet.DistributedStrategy = Strategy  # type: ignore[attr-defined]
    paddle.distributed.get_world_size = lambda group=None: processes
    training_args.fleet = fleet
    training_args.paddle.set_device = lambda device: None
    training_args.TrainingArguments.add_moe_comm_group = lambda self: None
    own = sys.modules.get("paddleformers.cli.hparams.finetuning_args")
    if own is not None:
        own.fleet = fleet  # type: ignore[attr-defined]
    if hasattr(training_args, "get_world_size"):
        training_args.get_world_size = lambda group=None: processes


def paddlenlp_parsers(scripts: dict[str, dict[str, list[Any]]]) -> dict[str, Any]:
    """Return script -> classes of PaddleNLP's parser; what only upstream's scripts define is made here."""
    from paddlenlp.trainer import TrainingArguments
    from paddlenlp.transformers.configuration_utils import llmmetaclass
    from paddlenlp.trl import DataConfig, ModelConfig, QuantConfig, SFTConfig

    kinds = {"int": int, "float": float, "bool": bool, "str": str}

    def made(name: str, arguments: dict[str, list[Any]], bases: tuple[type, ...] = ()) -> type:
        entries = [
            (key, kinds.get(kind, str), dataclasses.field(default=default))
            for key, (kind, default) in arguments.items()
        ]
        return dataclasses.make_dataclass(name, entries, bases=bases)

    known = {
        "ModelConfig": ModelConfig,
        "DataConfig": DataConfig,
        "QuantConfig": QuantConfig,
        "SFTConfig": SFTConfig,
    }
    found = {}
    for script, groups in scripts.items():
        classes = []
        for group, arguments in groups.items():
            if group.endswith("TrainingArguments"):
                bare = type("Base", (TrainingArguments,), {"__annotations__": {}})
                base = dataclasses.dataclass(llmmetaclass(bare))
                classes.append(made(group, arguments, (base,)))
            else:
                classes.append(known.get(group) or made(group, arguments))
        found[script] = tuple(classes)
    return found


def paddlenlp_fault(classes: tuple[type, ...], values: dict[str, Any]) -> None:
    """Parse as upstream's scripts do."""
    from paddlenlp.trainer import PdArgumentParser

    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump(values, file)
    try:
        PdArgumentParser(classes).parse_json_file(file.name)
    finally:
        Path(file.name).unlink()


def paddleformers_fault(script: str, values: dict[str, Any]) -> None:
    """Parse as `paddleformers-cli` does."""
    from paddleformers.cli.hparams import parser

    (parser.get_train_args if script == "train" else parser._parse_export_args)(dict(values))


def main(engine: str, file: Path) -> None:
    """Print the refusals after the word VERDICTS."""
    given = json.loads(file.read_text(encoding="utf-8"))
    os.environ["PADDLE_RANK_IN_NODE"] = "0"
    training_args = __import__(f"{engine}.trainer.training_args", fromlist=["x"])
    if engine == "paddleformers":
        __import__("paddleformers.cli.hparams.parser")
    scripts = paddlenlp_parsers(given["scripts"]) if engine == "paddlenlp" else {}
    refused = {}
    for index, (script, values, processes) in enumerate(given["cases"]):
        stand_in(training_args, processes)
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                if engine == "paddlenlp":
                    paddlenlp_fault(scripts[script], values)
                else:
                    paddleformers_fault(script, values)
        except (Exception, SystemExit) as error:
            refused[index] = f"{type(error).__name__}: {error} {said.getvalue()[-200:]}"
    print("VERDICTS" + json.dumps(refused))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
