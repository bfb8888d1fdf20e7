"""The ways of training beside a frozen model: how each is begun, written to a folder and read back.

LoRA and its variants are written and read by PaddleNLP itself. The others are written here, because
PaddleNLP saves only what moves (VeRA), loses it on resume (ReFT) or cannot put it into a unified checkpoint.
The files are those that PaddleNLP's own loaders read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import paddle
from paddlenlp.peft import LoKrModel, VeRAModel

from runtime.workers import lokr, lora, prefix, reft, vera
from runtime.workers.refusal import RefusedError
from runtime.workers.sft_arguments import Arguments
from runtime.workers.speech import say


class Files(NamedTuple):
    """How a method that is written here lies in a folder."""

    title: str
    config: str
    from_folder: Callable[[Any, Path], Any]
    save_config: Callable[[Any, Path], None]
    tensors: Callable[[Any], dict[str, paddle.Tensor]]
    weights: str = ""
    """File of the tensors; empty for ReFT, which has one for each block."""
    merges: bool = True


FILES = {
    "vera": Files("VeRA", vera.CONFIG, vera.from_folder, vera.save_config, vera.tensors, vera.WEIGHTS),
    "lokr": Files("LoKr", lokr.CONFIG, lokr.from_folder, lokr.save_config, lokr.tensors, lokr.WEIGHTS),
    "prefix_tuning": Files(
        "Prefix tuning",
        prefix.CONFIG,
        prefix.from_folder,
        prefix.save_config,
        prefix.tensors,
        prefix.WEIGHTS,
        merges=False,
    ),
    "reft": Files("ReFT", reft.CONFIG, reft.from_folder, reft.save_config, reft.tensors, merges=False),
}


def method_of(arguments: Arguments) -> str:
    """Return the method that a config asks for: full, lora, or one of `FILES`."""
    asked = [name for name in ("lora", *FILES) if getattr(arguments.model, name)]
    if len(asked) > 1:
        raise RefusedError(
            say("The config asks for several methods at once: {asked}.", asked=", ".join(asked))
        )
    return asked[0] if asked else "full"


def begin(model: Any, arguments: Arguments, dtype: str, extras: dict[str, Any]) -> Any:
    """Return what is trained: `model` itself, or a wrapper that freezes it."""
    method, source = method_of(arguments), arguments.model
    if method == "full":
        return model
    if method == "lora":
        return lora.add_adapters(model, source, arguments.training, dtype, extras)
    if method == "prefix_tuning":
        return prefix.fresh(model, tokens=source.num_prefix_tokens, dtype=dtype)
    if method == "reft":
        return reft.fresh(model, arguments.reft, dtype)
    targets = lora.target_modules(model, extras.get("lora_target_modules", "all-linear"))
    shape: dict[str, Any] = {"targets": targets, "dtype": dtype, "base": source.model_name_or_path}
    if method == "vera":
        return vera.fresh(model, rank=source.vera_rank, **shape)
    return lokr.fresh(model, rank=source.lokr_dim, **shape)


KINDS = {VeRAModel: "vera", LoKrModel: "lokr", prefix.Prefix: "prefix_tuning", reft.Reft: "reft"}


def files_of(layer: Any) -> Files | None:
    """Return how a live model's adapter is written here; None for LoRA and for a model without adapter."""
    kind = KINDS.get(type(layer))
    return FILES[kind] if kind else None


def files_in(folder: str | Path) -> Files | None:
    """Return what kind of adapter lies in a folder; None when it is LoRA or none of these."""
    folder = Path(folder)
    if next(folder.glob("intkey_layer.*.bin"), None) is not None:
        return FILES["reft"]
    return next(
        (files for files in FILES.values() if files.weights and (folder / files.config).exists()), None
    )


def write(layer: Any, folder: str | Path) -> None:
    """Write config and tensors of an adapter into `folder`."""
    files, folder = files_of(layer), Path(folder)
    assert files is not None
    folder.mkdir(parents=True, exist_ok=True)
    files.save_config(layer, folder)
    if files.weights:
        paddle.save(files.tensors(layer), str(folder / files.weights))
    else:
        reft.save_tensors(layer, folder)


def read(layer: Any, folder: str | Path) -> None:
    """Set an adapter's tensors from `folder`; raises `RefusedError` unless they are exactly the model's."""
    files, folder = files_of(layer), Path(folder)
    assert files is not None
    try:
        if files.weights:
            found = dict(paddle.load(str(folder / files.weights), return_numpy=True))
        else:
            found = reft.read_tensors(layer, folder)
    except (OSError, ValueError) as error:
        raise RefusedError(
            say("The adapter's weights in {folder} cannot be read.", folder=folder), str(error)
        ) from error
    wanted = files.tensors(layer)
    if strange := sorted(set(wanted) ^ set(found)):
        raise RefusedError(
            say(
                "The {title} adapter in {folder} does not belong to this model: {count} tensors have no "
                "counterpart, the first is {first}.",
                title=files.title,
                folder=folder,
                count=len(strange),
                first=strange[0],
            )
        )
    for name, held in wanted.items():
        given = np.asarray(found[name])
        if tuple(held.shape) != given.shape:
            raise RefusedError(
                say(
                    "The adapter's tensor {name} is {shape}, the model wants {wanted}.",
                    name=name,
                    shape=given.shape,
                    wanted=held.shape,
                )
            )
        held.set_value(paddle.to_tensor(given).astype(held.dtype))
