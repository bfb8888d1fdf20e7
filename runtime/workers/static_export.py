"""The work of stage `export`: trace one step of the model, load it into Paddle Inference, prove, rename."""

from __future__ import annotations

import gc
import json
import shutil
import time
from pathlib import Path
from typing import Any

from runtime.workers import static_runner, static_step
from runtime.workers.hf_folder import copy_companions, put_in_place, sync
from runtime.workers.hf_load import UnloadableModelError, load_hf_model
from runtime.workers.merge_proof import prompt_logits, proof_prompts
from runtime.workers.prompting import end_tokens, load_tokenizer
from runtime.workers.proof_precision import noise
from runtime.workers.refusal import RefusedError
from runtime.workers.result_load import is_adapter
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage
from runtime.workers.static_proof import prove, walk, walk_along

STEPS = 4


def write_folder(model: Any, spec: dict[str, Any], ends: set[int], folder: Path) -> None:
    """Write the graph, its facts, the tokenizer and a way to run it into the new folder `folder`."""
    folder.mkdir(parents=True)
    layers, heads, width = static_step.cache_shape(model.config)
    facts = {
        "layers": layers,
        "heads": heads,
        "width": width,
        "dtype": str(model.lm_head.weight.dtype).removeprefix("paddle."),
        "max_position_embeddings": model.config.max_position_embeddings,
        "end_tokens": sorted(ends),
    }
    (folder / static_runner.FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    copy_companions(Path(spec["model"]), folder)
    shutil.copyfile(static_runner.__file__, folder / "answer.py")
    (folder / "README.md").write_text(readme(), encoding="utf-8")
    static_step.save(model, folder)
    for path in folder.iterdir():
        sync(path)
    sync(folder)


def readme() -> str:
    """Return what the folder is and how it is run, as Markdown."""
    parts = (
        "# " + say("A static graph for Paddle inference"),
        say(
            "`step.json` and `step.pdiparams` hold one step of the model: tokens and the cache so far in, "
            "scores of the next token and a longer cache out. `static.json` holds the shape of the cache and "
            "the tokens that end an answer."
        ),
        say("Answer a question (needs paddlepaddle, numpy, tokenizers and jinja2):"),
        '    python answer.py "Who are you?"',
        say(
            "`StaticModel` in `answer.py` is the loop to build on: it pads a batch of prompts on the left, "
            "runs the step once for the prompts and once per new token."
        ),
    )
    return "\n\n".join(parts) + "\n"


def load_dynamic(spec: dict[str, Any]) -> Any:
    """Return the merged model."""
    if is_adapter(spec["model"]):
        raise RefusedError(
            say("Only a merged model can become a static graph, and this run keeps its adapter apart."),
            remedy=say("Answer with it by `steersman predict` or `steersman serve-model`."),
        )
    try:
        return load_hf_model(spec["model"], spec.get("dtype", "float32"))
    except UnloadableModelError as error:
        raise RefusedError(say("The merged model does not load."), str(error)) from error


def work(spec: dict[str, Any], stage: Stage) -> tuple[dict[str, str], dict[str, Any]]:
    """Ask the model, trace it, ask the graph, compare. Only then does the folder get its name."""
    started = time.monotonic()
    destination = Path(spec["destination"])
    partial = destination.with_name(f".{destination.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    stage.emitter.progress(0, STEPS, "steps", say("asking the dynamic model"))
    tokenizer = load_tokenizer(spec["base"])
    model = load_dynamic(spec)
    static_step.check_traceable(model)
    prompts = proof_prompts(tokenizer)
    dynamic = walk(model, prompts, stage)
    # Equal weights differ by so much in float32 with the shape of a batch, and so does an equal graph.
    shape_noise = noise(model, prompts, prompt_logits(model, prompts, stage))
    try:
        stage.emitter.progress(1, STEPS, "steps", say("tracing one step"))
        write_folder(model, spec, end_tokens(tokenizer, spec["base"], spec["model"]), partial)
        del model
        gc.collect()
        stage.check_stop()
        stage.emitter.progress(2, STEPS, "steps", say("asking the static graph"))
        static = walk_along(static_runner.StaticModel(partial), prompts, dynamic, stage)
        difference = prove(dynamic, static, float(spec["tolerance"]), shape_noise, stage)
        put_in_place(partial, destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    stage.emitter.progress(STEPS, STEPS, "steps", say("proven"))
    stage.emitter.artifact("static graph", destination)
    return {"static": str(destination)}, {
        "max_logit_difference": difference,
        "static_bytes": sum(path.stat().st_size for path in destination.iterdir()),
        "export_seconds": round(time.monotonic() - started, 3),
    }
