"""Prepare a Hugging Face folder for PaddleFormers, which reads that format: nothing is converted, all is
proven.

The copy shares the weight files with its source where the file system allows it. Its config says what
PaddleFormers must know on this device, so the toolkit's own command line can read the folder too; and that
may leave its metadata there.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from runtime.workers.convert_proof import prove_logits, prove_tokenizer
from runtime.workers.converting import Witness, read_config, reusable
from runtime.workers.folder_manifest import describe, publish
from runtime.workers.hf_folder import copy_companions
from runtime.workers.hf_load import UnloadableModelError
from runtime.workers.paddleformers import tokenizer
from runtime.workers.paddleformers.hf_writer import weights
from runtime.workers.paddleformers.loading import adapted_config, load_model
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage
from runtime.workers.tensor_files import INDEX, float_array, folder_entries

FORMAT = 2
"""As in `runtime.workers.converting`; raised when a prepared copy would hold something else."""


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Do the stage. The source is only read; the destination appears complete and proven or not at all."""
    source, destination = Path(spec["source_folder"]), Path(spec["destination"])
    tolerance = float(spec.get("tolerance", 1e-4))
    read_config(source)
    if cached := reusable(source, destination, tolerance):
        stage.emitter.log(
            say(
                "Reusing {destination}: converted and proven before, and unchanged since.",
                destination=destination,
            )
        )
        for proof in cached:
            stage.emitter.proof(**proof)
        return {"model": str(destination)}, {"reused": True}
    partial = destination.with_name(f".partial-{destination.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    witness = Witness(stage.emitter)
    try:
        prepare(source, partial)
        prove(source, partial, tolerance, Stage(witness, stage.stop))  # type: ignore[arg-type]
        about = {
            "format": FORMAT,
            "source": str(source),
            "source_files": describe(source),
            "proofs": witness.proofs,
        }
        publish(partial, destination, about)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {"model": str(destination)}, {"reused": False}


def prepare(source: Path, folder: Path) -> None:
    """Fill `folder`: weights shared with `source`, the config adapted, everything else copied."""
    for name in sorted({entry.path.name for entry in folder_entries(source).values()}):
        share(source / name, folder / name)
    copy_companions(source, folder)
    if (source / INDEX).is_file():
        shutil.copyfile(source / INDEX, folder / INDEX)
    (folder / "config.json").write_text(json.dumps(adapted_config(source), indent=2) + "\n", encoding="utf-8")


def share(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where it lies on another disk."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def prove(source: Path, folder: Path, tolerance: float, stage: Stage) -> None:
    """Emit the three proofs; `RefusedError` if one fails."""
    stage.emitter.progress(0, 3, "steps", say("comparing every weight"))
    wrong = list(differing(source, folder, stage))
    proven = prove_weights(source, wrong, stage)
    proven = prove_tokenizer(folder, tokenizer.load(folder), stage) and proven
    proven = proven and prove_logits(source, folder, tokenizer.load(folder), tolerance, stage)
    if not proven:
        raise RefusedError(
            say("The converted model is not the same as the original."),
            say("A proof of the conversion failed; see the proofs of this stage."),
            say("Do not train on it. Fetch the model again, or report this model."),
        )


def differing(source: Path, folder: Path, stage: Stage) -> Iterator[str]:
    """Yield the names of weights that, loaded by PaddleFormers, are not the source's number by number.

    Each is turned by the kind of layer that owns it, so a loader that turns the wrong ones is found out.
    """
    entries = folder_entries(source)
    try:
        model = load_model(folder)
    except UnloadableModelError as error:
        raise RefusedError(say("PaddleFormers does not load the model."), str(error)) from error
    for weight in weights(model):
        stage.check_stop()
        given = entries.get(weight.name)
        if given is None or not np.array_equal(weight.value(), float_array(given).astype(np.float32)):
            yield weight.name


def prove_weights(source: Path, wrong: list[str], stage: Stage) -> bool:
    """Emit `convert.weights`."""
    total = len(folder_entries(source))
    sentence = (
        say(
            "All {total} tensors, as PaddleFormers loads them, equal the source's number by number.",
            total=total,
        )
        if not wrong
        else say(
            "{count} of {total} tensors differ from the source, the first is {first}.",
            count=len(wrong),
            total=total,
            first=wrong[0],
        )
    )
    stage.emitter.proof("convert.weights", not wrong, sentence, tensors=total, different=len(wrong))
    return not wrong
