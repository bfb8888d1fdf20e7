"""The work of stage `merge` for a reward model: write the folder, load it afresh, compare every score.

Nothing has to be merged, since reward models are trained with all their weights.
"""

from __future__ import annotations

import gc
import shutil
from pathlib import Path
from typing import Any

from runtime.workers import reward_folder, reward_model, witness
from runtime.workers.hf_folder import put_in_place
from runtime.workers.merge_proof import largest_difference, prompt_logits, proof_prompts
from runtime.workers.prompting import load_tokenizer
from runtime.workers.proof_precision import fits_double, noise
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage

PHASES = 4


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Write, prove, rename."""
    destination = Path(spec["destination"])
    partial = destination.with_name(f".{destination.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    stage.emitter.progress(0, PHASES, "steps", say("loading the reward model"))
    tokenizer = load_tokenizer(spec["base"])
    prompts = proof_prompts(tokenizer)
    model = reward_model.load(spec["trained_model"])
    witness.prove(model, tokenizer, spec["trained_model"], stage)
    try:
        stage.emitter.progress(1, PHASES, "steps", say("writing the reward model"))
        given = reward_folder.write(model, spec["hf_folder"], partial, lambda done, total: stage.check_stop())
        reward_folder.take_rounded(model, given)
        double = fits_double(model)
        model.to(dtype="float64" if double else "float32")
        reference = prompt_logits(model, prompts, stage)
        allowed = float(spec["tolerance"])
        allowed = allowed if double else max(allowed, 2 * noise(model, prompts, reference))
        del model
        gc.collect()
        stage.emitter.progress(2, PHASES, "steps", say("loading it back and comparing"))
        loaded = reward_folder.load(partial)
        loaded.to(dtype="float64" if double else "float32")
        difference = largest_difference(reference, prompt_logits(loaded, prompts, stage))
        prove(difference, allowed, prompts, stage)
        stage.check_stop()
        put_in_place(partial, destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    stage.emitter.progress(PHASES, PHASES, "steps", say("proven"))
    stage.emitter.artifact("reward model", destination)
    return {"model": str(destination)}, {
        "max_score_difference": difference,
        "model_bytes": sum(path.stat().st_size for path in destination.iterdir()),
    }


def prove(difference: float, allowed: float, prompts: list[list[int]], stage: Stage) -> None:
    """Emit the proof `merge.scores`; raises `RefusedError` when the files do not score like what was
    trained."""
    close = difference <= allowed  # False for NaN
    positions = sum(len(prompt) for prompt in prompts)
    stage.emitter.proof(
        "merge.scores",
        close,
        say(
            "The files, loaded afresh, give the scores of the trained reward model to within "
            "{difference:.1e} at {positions} positions of {prompts} texts ({allowed:.0e} allowed).",
            difference=difference,
            positions=positions,
            prompts=len(prompts),
            allowed=allowed,
        ),
        max_difference=difference,
        tolerance=allowed,
        prompts=len(prompts),
        positions=positions,
    )
    if not close:
        raise RefusedError(
            say("The reward model's files do not score like what was trained, so they are not handed out."),
            say("Scores differ by {difference:.2e}.", difference=difference),
            say("Resume the run to write them again."),
        )
