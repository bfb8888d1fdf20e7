"""The work of worker `quantise`: measure, quantise by PaddleSlim, write, load again, prove, measure again."""

from __future__ import annotations

import contextlib
import gc
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from runtime.workers import quantised_folder, quantising_methods
from runtime.workers.conversation import Tokens
from runtime.workers.decoding import batch_logits
from runtime.workers.hf_folder import put_in_place
from runtime.workers.hf_load import load_hf_model
from runtime.workers.merge_proof import prompt_logits, proof_prompts
from runtime.workers.prompting import load_tokenizer
from runtime.workers.quantised_linear import largest
from runtime.workers.quantising_measure import figures, measure, read
from runtime.workers.quantising_methods import Quantised
from runtime.workers.quantising_slim import able_to_work, open_slim
from runtime.workers.refusal import RefusedError
from runtime.workers.result_load import is_adapter
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage

CALIBRATION_ROWS, GPTQ_ROWS = 16, 8
"""As in upstream's recipes: ptq_step 16 and gptq_step 8, one row each."""

TOLERANCE = 1e-3
"""Largest mean difference of logits between the model in memory and the one that was read again. A mean,
because an input half way between two whole numbers may fall either way, which moves single logits further."""


def load_model(folder: str) -> Any:
    """Return the merged model, its layers numbered from 0: by these numbers PaddleSlim tells norms apart."""
    with paddle.utils.unique_name.guard():
        return load_hf_model(folder, "float32")


def quantise(model: Any, spec: dict[str, Any], rows: list[Tokens], stage: Stage) -> Quantised:
    """Quantise the model in place, on calibration rows."""

    def calibrate(first_twice: bool) -> None:
        for row in [*(rows[:1] if first_twice else []), *rows]:
            stage.check_stop()
            with contextlib.suppress(quantising_methods.Enough):
                batch_logits(model, [row.input_ids])

    def show(done: int, total: int) -> None:
        stage.check_stop()
        stage.emitter.progress(1 + done / total, 3, "steps", say("quantising"))

    return quantising_methods.quantise(model, spec["method"], calibrate, show)


def prove(memory: Sequence[np.ndarray], files: Sequence[np.ndarray], stage: Stage) -> float:
    """Emit the proof `quantise.reload` and return the mean difference of logits; may refuse."""
    differences = [np.abs(one - other) for one, other in zip(memory, files, strict=True)]
    mean = float(max(difference.mean() for difference in differences))
    most = float(max(difference.max() for difference in differences))
    same = float(
        np.mean(np.concatenate([a.argmax(-1) == b.argmax(-1) for a, b in zip(memory, files, strict=True)]))
    )
    holds = mean <= TOLERANCE  # False for NaN
    stage.emitter.proof(
        "quantise.reload",
        holds,
        say(
            "Read again from its files, the quantised model gives the logits it gave in memory to within "
            "{mean:.1e} on average ({allowed:.0e} allowed), {most:.1e} at most, on {prompts} prompts.",
            mean=mean,
            allowed=TOLERANCE,
            most=most,
            prompts=len(differences),
        ),
        mean_difference=mean,
        max_difference=most,
        same_best_token=same,
        prompts=len(differences),
    )
    if not holds:
        raise RefusedError(
            say("The quantised files do not give the model that was quantised, so they are not handed out."),
            say("Logits differ by {difference:.2e} on average.", difference=mean),
        )
    return mean


def check_loss(found: dict[str, Any], limit: float | None, stage: Stage) -> None:
    """Emit the proof `quantise.loss`; `RefusedError` when the loss rose by more than the person allows."""
    rise = found["loss_after"] - found["loss_before"]
    holds = rise == rise and (limit is None or rise <= limit)  # not for NaN
    stage.emitter.proof(
        "quantise.loss",
        holds,
        say(
            "Loss on {rows} held-out rows is {before:.4f} before and {after:.4f} after.",
            rows=found["rows"],
            before=found["loss_before"],
            after=found["loss_after"],
        ),
        rise=rise,
        **({} if limit is None else {"limit": limit}),
    )
    if not holds:
        raise RefusedError(
            say(
                "By {method} the loss on held-out rows rises by {rise:.4f}; --max-loss allows {limit:.4f}.",
                method=found["method"],
                rise=rise,
                limit=limit if limit is not None else float("inf"),
            ),
            say("The quantised model is not kept."),
            say("Take more bits, or another method: `steersman quantise --help`."),
        )


def check(spec: dict[str, Any]) -> None:
    """Raise `RefusedError` for what cannot be quantised."""
    if spec["method"] not in quantising_methods.BITS:
        raise RefusedError(
            say(
                "There is no method {method}; there are {known}.",
                method=spec["method"],
                known=", ".join(quantising_methods.BITS),
            )
        )
    if is_adapter(spec["model"]):
        raise RefusedError(say("Only a merged model can be quantised, and this run keeps its adapter apart."))


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Write the quantised model into `destination`, and what was measured into `accuracy`."""
    started, method = time.monotonic(), spec["method"]
    check(spec)
    tokenizer = load_tokenizer(spec["base"])
    open_slim(spec["paddleslim"])
    rows = read(spec, tokenizer, "dev.json", int(spec["rows"]))
    calibration = read(spec, tokenizer, "train.json", GPTQ_ROWS if method == "gptq" else CALIBRATION_ROWS)
    stage.emitter.progress(0, 3, "steps", say("measuring the model as it is"))
    model = load_model(spec["model"])
    before = measure(model, rows, stage)
    found = quantise(model, spec, calibration, stage)
    config = json.loads(Path(spec["model"], "config.json").read_text(encoding="utf-8"))
    precision = quantised_folder.stored_precision(config)
    prompts = proof_prompts(tokenizer)
    with able_to_work():
        quantised_folder.settle(model, found, precision)
        memory = prompt_logits(model, prompts, stage)
    how = {"method": method, "calibration_rows": len(calibration), "made_with": versions()}
    destination = Path(spec["destination"])
    partial = destination.with_name(f".{destination.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        quantised_folder.write(model, found, partial, spec, precision, how)
        del model
        gc.collect()
        stage.emitter.progress(2, 3, "steps", say("measuring it with few bits"))
        again = quantised_folder.load(partial)
        difference = prove(memory, prompt_logits(again, prompts, stage), stage)
        measured = figures(before, measure(again, rows, stage))
        values = {"method": method, "bits": found.bits, "rows": len(rows), **measured}
        check_loss(values, spec.get("max_loss"), stage)
        values |= sizes(found, partial) | {
            "precision": precision,
            "calibration_rows": len(calibration),
            "mean_logit_difference": difference,
            "quantise_seconds": round(time.monotonic() - started, 3),
        }
        put_in_place(partial, destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    Path(spec["accuracy"]).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    stage.emitter.progress(3, 3, "steps", say("measured"))
    stage.emitter.artifact("quantised model", destination)
    return {"model": str(destination), "accuracy": str(spec["accuracy"])}, values


def sizes(found: Quantised, folder: Path) -> dict[str, Any]:
    """Return how much was rounded, and how much of that the predictor's own rounding finds again.

    It takes each output's largest weight for the largest number, which holds where the largest number occurs.
    """
    most = largest(found.bits)
    kept = np.concatenate([np.abs(whole).max(axis=0) == most for whole in found.weights.values()])
    return {
        "layers": len(found.weights),
        "quantised_weights": sum(whole.size for whole in found.weights.values()),
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
        "scales_found_again": round(float(kept.mean()), 4),
    }


def versions() -> dict[str, str]:
    """Return the versions of what quantised."""
    from importlib.metadata import version

    import paddleslim

    folder = Path(paddleslim.__file__).parent.parent
    slim = next((path.stem.split("-")[1] for path in folder.glob("paddleslim-*.dist-info")), "")
    return {"paddle": paddle.__version__, "paddlenlp": version("paddlenlp"), "paddleslim": slim}
