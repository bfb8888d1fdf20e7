"""Where a model answers: on the device, where it fits in 16 bits, else on the host in float32, else nowhere.

Training shares a large model between devices; a model that answers lies on one. What does not fit there is
not an error of a run that has trained and merged: the last stage then says that nobody was asked, and why.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import paddle

from runtime.workers.proof_precision import host_memory_available_bytes, memory_available_bytes
from runtime.workers.refusal import RefusedError
from runtime.workers.result_load import is_adapter
from runtime.workers.samples_file import write_samples
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage
from runtime.workers.tensor_files import STORED, folder_entries

PRECISION = "STEERSMAN_ANSWER_DTYPE"
"""Variable that names the numbers in which models answer on a device: the ones they were trained in."""

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
ROOM = 1.25
"""Memory of an answering model over its bare weights: keys and values, activations, scores."""

WORKSPACE_BYTES = 1 << 30
"""What the device's libraries take for themselves when the first product is computed."""

Outcome = tuple[dict[str, str], dict[str, Any]]
Work = Callable[[dict[str, Any], Stage], Outcome]


class Place(NamedTuple):
    """Where a model answers, and in which numbers."""

    device: str
    """`gpu` or `cpu`."""
    dtype: str


class NoRoomError(RefusedError):
    """The model fits neither the device nor the host."""


def fitting(weights: int, wanted: str, device_bytes: int | None, host_bytes: int) -> Place | None:
    """Return where a model of so many weights answers; None where it fits nowhere.

    `wanted` are the numbers on a device, `device_bytes` is what is free there (None: there is no device),
    `host_bytes` what is free on the host, which computes in float32.
    """
    on_device = weights * BYTES[wanted] * ROOM + WORKSPACE_BYTES
    if device_bytes is not None and on_device <= device_bytes:
        return Place("gpu", wanted)
    return Place("cpu", "float32") if weights * BYTES["float32"] * ROOM <= host_bytes else None


def choose(base: str | Path, *, whole: bool) -> Place:
    """Return where the model in `base`, or one of its size, answers, and compute there from now on.

    A model that is not `whole`, but has an adapter beside it, answers in float32, as it was proven. Raises
    `NoRoomError`.
    """
    weights = numbers(base)
    wanted = os.environ.get(PRECISION, "float32") if whole else "float32"
    free = memory_available_bytes() if paddle.device.get_device().startswith("gpu") else None
    host = host_memory_available_bytes()
    place = fitting(weights, wanted, free, host)
    if place is None:
        raise no_room(weights, free, host)
    if place.device == "cpu":
        paddle.set_device("cpu")
    return place


def no_room(weights: int, device_bytes: int | None, host_bytes: int) -> NoRoomError:
    """Return the sentence for a model that fits nowhere."""
    return NoRoomError(
        say(
            "The model takes {needed:.0f} GB of memory to answer in float32, and {free:.0f} GB are free.",
            needed=weights * BYTES["float32"] * ROOM / 1e9,
            free=host_bytes / 1e9,
        ),
        say("Its device has {free:.0f} GB free, which 16 bits exceed too.", free=device_bytes / 1e9)
        if device_bytes is not None
        else "",
        say("Serve it with a program that shares it between devices; the report has the commands."),
    )


def numbers(folder: str | Path) -> int:
    """Return the number of weights in a folder of safetensors files."""
    entries = folder_entries(Path(folder)).values()
    return sum(entry.size // STORED[entry.dtype].itemsize for entry in entries)


def where_it_fits(*proofs: str) -> Callable[[Work], Work]:
    """Let a stage's work compute where the model fits, and have `spec["dtype"]`; one that is named stays.

    Where it fits nowhere the work is left out, and each of `proofs` says so.
    """

    def decorate(work: Work) -> Work:
        @functools.wraps(work)
        def placed(spec: dict[str, Any], stage: Stage) -> Outcome:
            if "dtype" in spec:
                return work(spec, stage)
            had_device = paddle.device.get_device().startswith("gpu")
            try:
                place = choose(spec["base"], whole=not is_adapter(spec["model"]))
            except NoRoomError as refused:
                return left_out(spec, stage, refused, proofs)
            if had_device and place.device == "cpu":
                stage.emitter.log(
                    say("The model does not fit into one device, so it answers on the host, which is slow."),
                    "warning",
                )
            return work(spec | {"dtype": place.dtype}, stage)

        return placed

    return decorate


def left_out(spec: dict[str, Any], stage: Stage, refused: NoRoomError, proofs: tuple[str, ...]) -> Outcome:
    """Return an empty list of samples; every proof says that nothing was asked, and why."""
    sentence = say("Nothing was asked of the result. {why} {remedy}", why=refused.what, remedy=refused.remedy)
    stage.emitter.log(sentence, "warning")
    for proof in proofs:
        stage.emitter.proof(proof, True, sentence, compared="nothing")
    path = write_samples(Path(spec["stage_folder"]), [])
    stage.emitter.artifact("samples", path)
    return {"samples": str(path)}, {"asked": 0}
