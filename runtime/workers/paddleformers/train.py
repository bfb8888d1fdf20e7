"""The training stage: `paddle.distributed.launch ... start.py paddleformers.train SPEC.json`."""

from __future__ import annotations

import atexit
import os
import shutil
from pathlib import Path
from typing import Any

from runtime.workers.emit import Emitter, write_result
from runtime.workers.refusal import RefusedError
from runtime.workers.stop import StopRequest, hold_signals, stop_with_parent
from runtime.workers.train import agree_on_checkpoint, leave, planned_steps


def main(spec: dict[str, Any], arguments: list[str]) -> int:
    """Train as the spec's config says; return 0 when finished or stopped on request, 1 when refused."""
    hold_signals()
    if "PADDLE_TRAINER_ID" in os.environ:
        stop_with_parent()
    rank = int(os.environ.get("PADDLE_TRAINER_ID", "0"))
    emitter = Emitter(spec["stage_folder"], spec["stage"], rank)
    stop = StopRequest(spec["stage_folder"])
    try:
        code = run(spec, emitter, stop)
    except RefusedError as error:
        emitter.error(error.what, error.why, error.remedy)
        code = 1
    atexit.register(leave, code)
    return code


def run(spec: dict[str, Any], emitter: Emitter, stop: StopRequest) -> int:
    """Set everything up, continue from the newest complete checkpoint, train, and hand over the weights."""
    import paddle

    from runtime.workers import tracker
    from runtime.workers.device import use_device
    from runtime.workers.paddleformers import setup
    from runtime.workers.progress import Progress

    paddle.disable_signal_handler()
    stop.listen()
    extras = spec.get("extras", {})
    arguments = setup.parse(spec["config"], extras)
    use_device(arguments)
    tokenizer = setup.load_tokenizer(arguments)
    splits = setup.load_splits(arguments, tokenizer, emitter)
    checkpoint = agree_on_checkpoint(Path(arguments.training.output_dir), arguments, emitter)  # type: ignore[arg-type]
    model = setup.build_model(arguments, extras)
    progress = Progress(emitter, stop)
    observer = tracker.make(extras, emitter, Path(spec["stage_folder"]).parent.parent.name)
    trainer = setup.build_trainer(
        arguments,
        model,
        tokenizer,
        splits,
        progress,
        emitter,
        [observer] if observer else [],
        patience=int(extras.get("early_stopping_patience", 0)),
    )
    if train(trainer, checkpoint):
        finish(spec, arguments, trainer, tokenizer, emitter)
    elif emitter.rank == 0:
        emitter.state("stopped", stop.reason())
    tracker.close()
    return 0


def train(trainer: Any, checkpoint: str | None) -> bool:
    """Train to the planned step; return False when stopped before it on request.

    Upstream trains one more step when a finished run is started again; here its weights are only loaded.
    """
    from runtime.workers.callbacks import TrainerState

    state = TrainerState.load_from_json(f"{checkpoint}/trainer_state.json") if checkpoint else None
    done = state is not None and (
        state.global_step >= planned_steps(trainer) or bool((state.trial_params or {}).get("ended_early"))
    )
    if state is not None and done:
        trainer._load_from_checkpoint(checkpoint)
        trainer.state = state
        trainer.progress.restore(state)
    else:
        trainer.train(resume_from_checkpoint=checkpoint)
    return not trainer.progress.stopping


def finish(spec: dict[str, Any], arguments: Any, trainer: Any, tokenizer: Any, emitter: Emitter) -> None:
    """Evaluate the final weights, write them beside, rename them into place, declare the stage done."""
    from runtime.workers import best

    totals = trainer.progress.totals
    if trainer.eval_dataset is not None and totals.eval_step < trainer.state.global_step:
        trainer.evaluate()
    best_step = best.restore(trainer, emitter) if trainer.keeps_best else None
    name = "adapter" if arguments.model.lora else "model"
    final = Path(arguments.training.output_dir) / name
    save_weights(trainer, arguments, tokenizer, final)
    if emitter.rank != 0:
        return
    emitter.artifact(name, final)
    figures: dict[str, Any] = {
        "train_loss": totals.train_loss,
        "train_seconds": totals.seconds,
        "tokens_per_second": totals.tokens_per_second,
        "tokens": int(totals.tokens),
        "peak_memory_bytes": int(totals.peak_memory_bytes),
        "host_memory_bytes": int(totals.host_memory_bytes),
        "steps": trainer.state.global_step,
    }
    if totals.eval_loss is not None:
        figures["eval_loss"] = totals.eval_loss
    if best_step is not None:
        figures["best_step"] = best_step
    write_result(spec["stage_folder"], {name: str(final)}, figures)


def save_weights(trainer: Any, arguments: Any, tokenizer: Any, final: Path) -> None:
    """Write the trained weights, all or nothing, and what the model says with them."""
    from runtime.workers import checkpoints, witness
    from runtime.workers.paddleformers import adapter, hf_writer

    partial = final.with_name(f".{final.name}.partial")
    exact = arguments.training.fp16_opt_level != "O2"
    if trainer.args.process_index == 0:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        if arguments.model.lora:
            adapter.write(trainer.model, partial)
        else:
            source = arguments.model.model_name_or_path
            hf_writer.write(trainer.model, source, partial, precision="F32" if exact else "")
        trainer.model.config.use_cache = True
        witness.write(trainer.model, tokenizer, partial, exact=exact)
        for path in partial.rglob("*"):
            checkpoints.sync(path)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        checkpoints.sync(final.parent)
    trainer.wait()
