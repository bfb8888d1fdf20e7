"""The work of stage `merge`.

The merged weights are computed one at a time while they are written, so one model is in memory and not
two. Then that model is let go, the files are loaded into a fresh one, and its logits and greedy tokens
are compared with what base and adapter said together. Only then does the folder get its name. An adapter
that cannot be merged is handed out beside its base model, with the same proofs.
"""

from __future__ import annotations

import gc
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from runtime.workers import beside, merge_streaming, witness
from runtime.workers.adapter import attach, fold
from runtime.workers.decoding import causal_model
from runtime.workers.hf_folder import original_tensors, put_in_place, rounded, weights, write_hf_folder
from runtime.workers.merge_phases import say_phase, say_proven, say_written
from runtime.workers.merge_proof import (
    Behaviour,
    largest_difference,
    observe,
    prompt_logits,
    proof_prompts,
    prove,
)
from runtime.workers.paddle_load import load_paddle_model
from runtime.workers.prompting import load_tokenizer
from runtime.workers.proof_precision import fits_double
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage


def take_rounded_weights(model: Any, original: str) -> bool:
    """Give the live model the merged weights as a 16-bit file holds them; return whether there are any.

    A 16-bit file cannot equal base + adapter to 1e-4. What can be proven is that it holds the rounded
    weights.
    """
    given = original_tensors(original)
    if all(tensor.dtype == "F32" for tensor in given.values()):
        return False
    fold(causal_model(model))
    for weight in list(weights(causal_model(model))):
        array = rounded(weight.value(), given[weight.name].dtype).astype(np.float32)
        parameter = getattr(weight.layer, weight.parameter)
        parameter.set_value(paddle.to_tensor(array.T if weight.transposed else array).astype(parameter.dtype))
    return True


def load_trained(
    spec: dict[str, Any], tokenizer: Any, prompts: list[list[int]], stage: Stage, dtype: str
) -> tuple[Any, float]:
    """Return the trained model (base + adapter, or a full one) and how far training moved the logits.

    It must be the model that training ended with.
    """
    model = load_paddle_model(spec["base"], dtype)
    base_logits = prompt_logits(model, prompts, stage)
    say_phase(stage, 1)
    if spec.get("adapter"):
        model = attach(model, spec["adapter"])
    else:
        del model
        gc.collect()
        model = load_paddle_model(spec["trained_model"], dtype)
    witness.prove(model, tokenizer, spec.get("adapter") or spec["trained_model"], stage)
    effect = largest_difference(base_logits, prompt_logits(model, prompts, stage))
    if effect == 0:
        stage.emitter.log(
            say("Training changed nothing: the trained model gives exactly the base model's logits."),
            "warning",
        )
    return model, effect


def write_merged(
    spec: dict[str, Any],
    model: Any,
    reference: Behaviour,
    prompts: list[list[int]],
    folder: Path,
    stage: Stage,
    figures: dict[str, Any],
) -> Behaviour:
    """Write the merged weights into `folder` and return what the files must answer like."""
    write_hf_folder(
        causal_model(model),
        spec["hf_folder"],
        folder,
        each_tensor=lambda done, total: say_written(stage, done, total),
    )
    if not take_rounded_weights(model, spec["hf_folder"]):
        return reference
    rounded_one = observe(model, prompts, stage, spec.get("dtype", "float32"), reference.noise == 0)
    figures["rounding_of_logits"] = largest_difference(reference.logits, rounded_one.logits)
    stage.emitter.log(
        say(
            "The original model is stored with 16 bits per weight, and so is the merged one: rounding "
            "moves its logits by up to {difference:.1e}.",
            difference=figures["rounding_of_logits"],
        )
    )
    return rounded_one


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Merge, write, prove, rename."""
    if merge_streaming.wanted(spec):
        return merge_streaming.work(spec, stage)
    started = time.monotonic()
    dtype = spec.get("dtype", "float32")
    destination = Path(spec["destination"])
    partial = destination.with_name(f".{destination.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    say_phase(stage, 0)
    tokenizer = load_tokenizer(spec["base"])
    prompts = proof_prompts(tokenizer)
    merged = not spec.get("adapter") or beside.merges(spec["adapter"])
    model, effect = load_trained(spec, tokenizer, prompts, stage, dtype)
    figures: dict[str, Any] = {"effect_on_logits": effect}
    double = fits_double(model)
    reference = observe(model, prompts, stage, dtype, double)
    try:
        say_phase(stage, 2)
        if not merged:
            beside.write_folder(spec["adapter"], spec["hf_folder"], partial)
        else:
            reference = write_merged(spec, model, reference, prompts, partial, stage, figures)
        del model
        gc.collect()
        say_phase(stage, 3)
        figures["max_logit_difference"] = prove(
            partial,
            reference,
            prompts,
            float(spec["tolerance"]),
            stage,
            dtype,
            double,
            base=None if merged else spec["base"],
        )
        stage.check_stop()
        put_in_place(partial, destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    say_proven(stage)
    stage.emitter.artifact("merged model" if merged else "adapter beside its base model", destination)
    figures["model_bytes"] = sum(path.stat().st_size for path in destination.iterdir())
    figures["merge_seconds"] = round(time.monotonic() - started, 3)
    return {"model": str(destination)}, figures
