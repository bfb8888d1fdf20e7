"""Read the training config: the JSON of upstream's `llm/run_finetune.py`, by upstream's own dataclasses.

The parser itself is lenient where a mistake costs hours: it takes a prefix for the whole name (`eval_step`
becomes `eval_steps`) and `null` for the text "None". Both are refused here before it sees the file, with a
sentence.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from paddlenlp.trainer import PdArgumentParser
from paddlenlp.trl import DataConfig, ModelConfig, SFTConfig

from runtime.workers import pipelines
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say, template


@dataclass
class GenerateArgument:
    """Sampling of upstream's evaluation by generation. Here only so that its keys are known."""

    top_k: int = field(default=1)
    top_p: float = field(default=1.0)


@dataclass
class ReftArgument:
    """Options of representation fine-tuning (ReFT)."""

    layers: str = field(default="all")
    position: str = field(default="f7+l7")
    intervention_type: str = field(default="LoreftIntervention")
    rank: int = field(default=8)
    act_fn: str = field(default="linear")
    add_bias: bool = field(default=False)
    dropout: float = field(default=0.0)


DATACLASSES = (GenerateArgument, ModelConfig, ReftArgument, DataConfig, SFTConfig)
"""In the order of upstream's script, so that a field of the same name goes to the same class."""

UNSUPPORTED = {
    "lazy": template("a lazily read data set, which cannot be resumed exactly"),
    "autoregressive": template("loss on the prompt"),
    "use_pose_convert": "PoSE",
    "prefix_path": template("a start from an earlier prefix"),
    "lokr_path": template("a start from an earlier adapter"),
}
"""Switches that the worker refuses rather than ignores -> what they turn on."""


class Arguments(NamedTuple):
    """The parsed config."""

    generation: GenerateArgument
    model: ModelConfig
    reft: ReftArgument
    data: DataConfig
    training: SFTConfig


def parse(path: str | Path, processes: int | None = None) -> Arguments:
    """Return the config at `path`, checked; raises `RefusedError` with a sentence that names the key.

    `processes` is how many will train, by default as many as the launcher started.

    Parsing also joins the process group when there is more than one process: upstream does that while it
    builds `SFTConfig`.
    """
    return Arguments(*parse_into(DATACLASSES, path, processes))


def parse_into(kinds: Sequence[type], path: str | Path, processes: int | None = None) -> tuple[Any, ...]:
    """Return an object of each dataclass in `kinds` with the config's values, checked as in `parse`."""
    values = read(path)
    check_values(values, path, processes or int(os.environ.get("PADDLE_TRAINERS_NUM", "1")), kinds)
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            return tuple(PdArgumentParser(kinds).parse_json_file(str(path)))
    except SystemExit as error:
        complaint = messages.getvalue().strip().splitlines()[-1:] or [say("a value has the wrong type")]
        raise RefusedError(
            say("{path}: {complaint}.", path=path, complaint=complaint[0].split("error: ")[-1]),
            remedy=say("Correct the value in the config."),
        ) from error
    except (ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())
        raise RefusedError(
            say("{path}: PaddleNLP refuses this combination of settings: {reason}", path=path, reason=reason)
        ) from error


def read(path: str | Path) -> dict[str, Any]:
    """Return the JSON object at `path`."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RefusedError(
            say("The training config {path} cannot be read: {error}.", path=path, error=error.strerror)
        ) from error
    except ValueError as error:
        raise RefusedError(
            say("The training config {path} is not JSON: {error}.", path=path, error=error)
        ) from error
    if not isinstance(values, dict):
        raise RefusedError(
            say("The training config {path} must be one JSON object of setting names and values.", path=path)
        )
    return values


def check_values(
    values: dict[str, Any], path: str | Path, processes: int, kinds: Sequence[type] = DATACLASSES
) -> None:
    """Refuse unknown names, nulls, methods that are not trained here, and settings that do nothing."""
    names = {entry.name for kind in kinds for entry in dataclasses.fields(kind) if entry.init}
    for key, value in values.items():
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = say("Did you mean `{near}`?", near=near[0]) if near else say("Remove it.")
            raise RefusedError(
                say("{path}: `{key}` is not a setting of this version of PaddleNLP.", path=path, key=key),
                remedy=hint,
            )
        if value is None:
            raise RefusedError(
                say("{path}: `{key}` is null, which PaddleNLP reads as the text None.", path=path, key=key),
                remedy=say("Leave the key out."),
            )
    for key, meaning in UNSUPPORTED.items():
        if values.get(key):
            raise RefusedError(
                say(
                    "{path}: `{key}` asks for {meaning}, which this worker does not do.",
                    path=path,
                    key=key,
                    meaning=say(meaning),
                ),
                remedy=say("Leave it out."),
            )
    check_methods(values, path)
    pipelines.check(values, path)
    check_device(values, path, processes)


def check_methods(values: dict[str, Any], path: str | Path) -> None:
    """Refuse methods together that exclude each other."""
    for method in ("vera", "lokr", "prefix_tuning", "reft"):
        if values.get(method) and values.get("unified_checkpoint"):
            raise RefusedError(
                say(
                    "{path}: a unified checkpoint cannot hold what `{method}` trains.",
                    path=path,
                    method=method,
                ),
                remedy=say("Set `unified_checkpoint` to false."),
            )
    for method in ("prefix_tuning", "reft"):
        if values.get(method) and values.get("zero_padding"):
            raise RefusedError(
                say(
                    "{path}: `{method}` counts positions from where a text begins, and packed rows share "
                    "one.",
                    path=path,
                    method=method,
                ),
                remedy=say("Set `zero_padding` to false."),
            )


def check_device(values: dict[str, Any], path: str | Path, processes: int) -> None:
    """Refuse what the device cannot do and, above all, what it would silently not do."""
    for key in ("tensor_parallel_degree", "pipeline_parallel_degree", "sharding_parallel_degree"):
        if int(values.get(key, -1)) > processes:
            raise RefusedError(
                say(
                    "{path}: `{key}` is {value}, but {processes} process(es) run.",
                    path=path,
                    key=key,
                    value=values[key],
                    processes=processes,
                ),
                say("PaddleNLP would silently switch it off."),
                say("Start as many processes as the degree asks for, or leave the key out."),
            )
    if values.get("device", "gpu") != "cpu":
        return
    for key in ("bf16", "fp16"):
        if values.get(key):
            raise RefusedError(
                say("{path}: `{key}` is on, but the device is cpu.", path=path, key=key),
                say(
                    "Paddle keeps computing in float32 there without saying so (O1), or has no kernels (O2)."
                ),
                say("Set `{key}` to false.", key=key),
            )
    if values.get("weight_quantize_algo"):
        raise RefusedError(
            say(
                "{path}: `weight_quantize_algo` stores weights in few bits, but the device is cpu.", path=path
            ),
            say("Paddle has kernels for them on NVIDIA GPUs only."),
            say("Train plain LoRA here: leave the key out."),
        )
    for key, meaning in (("use_flash_attention", "FlashAttention"), ("flash_mask", "FlashMask")):
        if values.get(key):
            raise RefusedError(
                say("{path}: {meaning} needs a GPU, but the device is cpu.", path=path, meaning=meaning),
                remedy=say("Set `{key}` to false.", key=key),
            )
    if int(values.get("tensor_parallel_degree", -1)) > 1:
        key = "tensor_parallel_degree"
        raise RefusedError(
            say("{path}: `{key}` needs GPUs; on the CPU Paddle refuses it.", path=path, key=key),
            remedy=say("Use data parallelism."),
        )
    if int(values.get(pipelines.DEGREE, 1)) > 2 or int(values.get("virtual_pp_degree", 1)) > 1:
        raise RefusedError(
            say("{path}: on a CPU a pipeline has two stages, of one chunk each.", path=path),
            say("With more of them, gloo's sends wait for each other."),
            say("Set `pipeline_parallel_degree` to 2, and leave out `virtual_pp_degree`."),
        )
    if str(values.get("sharding", "")).split()[:1] not in ([], ["stage1"]):
        raise RefusedError(
            say("{path}: sharding beyond stage1 needs GPUs.", path=path),
            remedy=say("Set `sharding` to stage1 or leave it out."),
        )
