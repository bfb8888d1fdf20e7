"""The work of stage `merge` for PaddleFormers.

The toolkit's own `export` is not used: on a processor it writes scrambled linear weights and ends with exit
code 0. An adapter is added to the base's files shard by shard, with a few megabytes of memory; a fully
trained model is written by our own writer. Then the files are loaded into a fresh model, and its logits and
greedy tokens are compared with what base and adapter said together in memory. Only then does the folder get
its name.
"""

from __future__ import annotations

import gc
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from runtime.workers import witness
from runtime.workers.adapter import is_adapted, merged_weight
from runtime.workers.decoding import causal_model
from runtime.workers.fused_layers import split_adapter, widths_of
from runtime.workers.hf_folder import copy_companions, original_tensors, put_in_place, rounded, sync
from runtime.workers.merge_phases import say_phase, say_proven, say_written
from runtime.workers.merge_proof import (
    Behaviour,
    largest_difference,
    observe,
    prompt_logits,
    proof_prompts,
    prove,
)
from runtime.workers.paddleformers import adapter, hf_writer, tokenizer
from runtime.workers.paddleformers.loading import load_model
from runtime.workers.proof_precision import fits_double
from runtime.workers.shard_merge import check_shards, merge_shards
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage
from runtime.workers.weight_change import LowRank


def changes_of(folder: str | Path, base: str | Path) -> dict[str, LowRank]:
    """Return tensor of the Hugging Face folder `base` -> what the LoRA adapter in `folder` adds to it."""
    config = json.loads(Path(base, "config.json").read_text(encoding="utf-8"))
    scaling = float(adapter.read_config(folder)["scaling"])
    layers: dict[str, dict[str, Any]] = {}
    for name, tensor in adapter.read_tensors(folder).items():
        layer, _, matrix = name.rpartition(".")
        layers.setdefault(layer, {})[matrix] = tensor
    return {
        f"{layer}.weight": LowRank(tensors["lora_A"], tensors["lora_B"], scaling)
        for layer, tensors in split_adapter(layers, widths_of(config)).items()
    }


def load_trained(
    spec: dict[str, Any], prompts: list[list[int]], stage: Stage, dtype: str
) -> tuple[Any, float]:
    """Return the trained model and how far training moved the logits; it must be what training ended with."""
    model = load_model(spec["base"], dtype)
    base_logits = prompt_logits(model, prompts, stage)
    say_phase(stage, 1)
    if spec.get("adapter"):
        model = adapter.attach(model, spec["adapter"])
    else:
        del model
        gc.collect()
        model = load_model(spec["trained_model"], dtype)
    trained = spec.get("adapter") or spec["trained_model"]
    witness.prove(model, tokenizer.load(spec["base"]), trained, stage)
    effect = largest_difference(base_logits, prompt_logits(model, prompts, stage))
    if effect == 0:
        stage.emitter.log(
            say("Training changed nothing: the trained model gives exactly the base model's logits."),
            "warning",
        )
    return model, effect


def write_merged(spec: dict[str, Any], model: Any, folder: Path, stage: Stage) -> None:
    """Write the merged weights and their companions into the new folder `folder`."""
    base = Path(spec["hf_folder"])
    if not spec.get("adapter"):
        hf_writer.write(causal_model(model), base, folder)
        return
    folder.mkdir(parents=True)
    changes = changes_of(spec["adapter"], base)

    merge_shards(base, changes, folder, each_block=lambda done, total: say_written(stage, done, total))
    check_shards(base, changes, folder, each_block=lambda done, total: stage.check_stop())
    copy_companions(base, folder)
    sync(folder)


def take_rounded_weights(model: Any, original: str) -> bool:
    """Give the live model the merged weights as a 16-bit file holds them; return whether there are any.

    A 16-bit file cannot equal base + adapter to 1e-4. What can be proven is that it holds the rounded
    weights. The weight of an adapted layer is what the layer makes of the identity: another way than the
    merge took.
    """
    given = original_tensors(original)
    if all(tensor.dtype in ("F32", "F64") for tensor in given.values()):
        return False
    for place in list(hf_writer.places(causal_model(model))):
        parameter = getattr(place.layer, place.parameter)
        whole = merged_weight(place.layer) if place.parameter == "weight" else parameter
        array = whole.astype("float64").numpy()
        for name, outputs in place.shares():
            array[..., outputs] = rounded(array[..., outputs], given[name].dtype).astype(np.float64)
        if is_adapted(place.layer):
            place.layer.lora_B.set_value(paddle.zeros_like(place.layer.lora_B))
        parameter.set_value(paddle.to_tensor(array).astype(parameter.dtype))
    return True


def expected(
    spec: dict[str, Any],
    model: Any,
    reference: Behaviour,
    prompts: list[list[int]],
    stage: Stage,
    figures: dict[str, Any],
) -> Behaviour:
    """Return what the files must answer like."""
    if not take_rounded_weights(model, spec["hf_folder"]):
        return reference
    dtype = spec.get("dtype", "float32")
    rounded_one = observe(model, prompts, stage, dtype, reference.noise == 0)
    figures["rounding_of_logits"] = largest_difference(reference.logits, rounded_one.logits)
    stage.emitter.log(
        say(
            "The original model is stored with 16 bits per weight, and so is the merged one: "
            "rounding moves its logits by up to {difference:.1e}.",
            difference=figures["rounding_of_logits"],
        )
    )
    return rounded_one


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Merge, write, prove, rename."""
    started = time.monotonic()
    dtype = spec.get("dtype", "float32")
    destination = Path(spec["destination"])
    partial = destination.with_name(f".{destination.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    say_phase(stage, 0)
    prompts = proof_prompts(tokenizer.load(spec["base"]))
    model, effect = load_trained(spec, prompts, stage, dtype)
    figures: dict[str, Any] = {"effect_on_logits": effect}
    double = fits_double(model)
    reference = observe(model, prompts, stage, dtype, double)
    try:
        say_phase(stage, 2)
        write_merged(spec, model, partial, stage)
        reference = expected(spec, model, reference, prompts, stage, figures)
        del model
        gc.collect()
        say_phase(stage, 3)
        tolerance = float(spec["tolerance"])
        figures["max_logit_difference"] = prove(partial, reference, prompts, tolerance, stage, dtype, double)
        stage.check_stop()
        put_in_place(partial, destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    say_proven(stage)
    stage.emitter.artifact(say("merged model"), destination)
    figures["model_bytes"] = sum(path.stat().st_size for path in destination.iterdir())
    figures["merge_seconds"] = round(time.monotonic() - started, 3)
    return {"model": str(destination)}, figures
