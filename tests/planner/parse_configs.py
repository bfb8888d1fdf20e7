"""Run inside the engine: parse every config of a folder as upstream's script does and print what is not as
written.

Plans for GPUs are parsed here too: the process group that their arguments would build is replaced by a
stand-in, since there is neither a GPU nor a second machine. Everything else is the engine's own code, but for
upstream's scripts of auto-parallel, which are not in the wheel: their own arguments are written here
(llm/auto_parallel/llama/run_pretrain_auto.py at 3.0.0b4), and what these inherit is the wheel's.
"""

# ruff: noqa: E402
from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

START = Path(__file__).resolve().parents[2] / "runtime" / "workers" / "start.py"
runpy.run_path(str(START))["register_package"]()  # for its quick imports

import paddle.distributed
from paddlenlp.trainer import AutoTrainingArguments, PdArgumentParser, training_args
from paddlenlp.trl import DataConfig, ModelConfig, SFTConfig


@dataclass
class PreTrainingArguments(AutoTrainingArguments):
    """run_pretrain_auto.py."""

    min_learning_rate: float = 1e-5
    decay_steps: float = 0.0
    pipeline_schedule_mode: str = "1F1B"
    virtual_pipeline_seg_method: str = "LlamaDecoderLayerAuto"


@dataclass
class DataArguments:
    """run_pretrain_auto.py."""

    input_dir: str = ""
    split: str = "949,50,1"
    max_seq_length: int = 1024


@dataclass
class ModelArguments:
    """run_pretrain_auto.py."""

    model_type: str = "llama"
    model_name_or_path: str = ""
    tokenizer_name_or_path: str = ""
    use_flash_attention: bool = False
    use_fused_rms_norm: bool = False
    fuse_attention_qkv: bool = False
    fuse_attention_ffn: bool = False
    recompute_granularity: str = "full"
    virtual_pp_degree: int = 1
    continue_training: bool = False
    use_fused_rope: bool = False


CLASSES: dict[str, tuple[type, ...]] = {
    "config": (ModelConfig, DataConfig, SFTConfig),
    "run_pretrain_auto": (ModelArguments, DataArguments, PreTrainingArguments),
}
"""Beginning of a file's name, up to the first dash -> what its script parses it into."""


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


@cache
def parser(script: str) -> PdArgumentParser:
    """Return the parser of a script of upstream's; making one takes longer than reading a file."""
    return PdArgumentParser(CLASSES[script])


def fault(path: Path, processes: int) -> str:
    """Return why the parser refuses a config or changes a value of it; empty when it does neither."""
    training_args.get_world_size = paddle.distributed.get_world_size = lambda group=None: processes
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parsed = parser(path.name.split("-")[0]).parse_json_file(str(path))
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error} {said.getvalue()[-300:]}"
    written = json.loads(path.read_text(encoding="utf-8"))
    for key, value in written.items():
        if key.startswith("sharding") and written.get("sharding_parallel_degree") == 1:
            continue  # one replica: it stands idle, of which the plan warns
        holder = next((part for part in parsed if hasattr(part, key)), None)
        if holder is None:
            return f"{key} is kept nowhere"
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
    found = {path.name: fault(path, worlds[path.name]) for path in sorted(folder.glob("*-*.json"))}
    print("FAULTS" + json.dumps({name: words for name, words in found.items() if words}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
