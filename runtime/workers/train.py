"""The training stage: `paddle.distributed.launch --nproc_per_node N start.py train SPEC.json`, N = 1 too."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.workers import launched
from runtime.workers.emit import Emitter, write_result
from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.stop import StopRequest, hold_signals

if TYPE_CHECKING:
    from runtime.workers.sft_arguments import Arguments
    from runtime.workers.sft_trainer import ExactTrainer


SETUP = "runtime.workers.sft_setup"


def main(spec: dict[str, Any], arguments: list[str], setup: str = SETUP) -> int:
    """Train as the spec's config says; return 0 when finished or stopped on request, 1 when refused.

    `setup` is the module that builds model, data and trainer; it is named, not passed, so that nothing
    imports Paddle before the signals are held back. It may have a `result_name` and a `save_weights` of its
    own, in place of those below.
    """
    hold_signals()
    launched.begin()
    emitter = Emitter(spec["stage_folder"], spec["stage"], launched.rank())
    stop = StopRequest(spec["stage_folder"])
    try:
        code = run(spec, emitter, stop, setup)
    except RefusedError as error:
        emitter.error(error.what, error.why, error.remedy)
        code = 1
    launched.leave_with(code)
    return code


def run(spec: dict[str, Any], emitter: Emitter, stop: StopRequest, setup: str = SETUP) -> int:
    """Set everything up, continue from the newest complete checkpoint, train, and hand over the weights."""
    import paddle

    from runtime.workers import tracker
    from runtime.workers.device import use_device
    from runtime.workers.progress import Progress

    parts: Any = importlib.import_module(setup)
    paddle.disable_signal_handler()
    stop.listen()
    extras = spec.get("extras", {})
    arguments = parts.parse(spec["config"], extras)
    use_device(arguments)
    tokenizer = parts.load_tokenizer(arguments)
    splits = parts.load_splits(arguments, tokenizer, emitter)
    checkpoint = agree_on_checkpoint(Path(arguments.training.output_dir), arguments, emitter)
    model = parts.build_model(arguments, extras)
    progress = Progress(emitter, stop)
    observer = tracker.make(extras, emitter, Path(spec["stage_folder"]).parent.parent.name)
    trainer = parts.build_trainer(
        arguments,
        model,
        tokenizer,
        splits,
        progress,
        emitter,
        [observer] if observer else [],
        patience=int(extras.get("early_stopping_patience", 0)),
    )
    finished = train(trainer, checkpoint)
    if finished:
        finish(spec, arguments, trainer, tokenizer, emitter, parts)
    elif emitter.rank == 0:
        emitter.state("stopped", stop.reason())
    tracker.close()
    return 0


def agree_on_checkpoint(output: Path, arguments: Arguments, emitter: Emitter) -> str | None:
    """Return the newest complete checkpoint, the same on every rank. The first rank removes broken ones."""
    import paddle

    from runtime.workers import checkpoint_layout, checkpoints

    chosen: list[str | None] = [None]
    if emitter.rank == 0:
        found = checkpoints.find(output)
        for folder in found.broken:
            emitter.log(say("{name} is incomplete and is removed.", name=folder.name), level="warning")
            shutil.rmtree(folder)
        chosen = [str(found.checkpoint) if found.checkpoint else None]
    if arguments.training.world_size > 1:
        paddle.distributed.broadcast_object_list(chosen, src=0)
    checkpoint_layout.check(chosen[0], arguments.training)
    if chosen[0] and emitter.rank == 0:
        emitter.state("resumed", say("from {checkpoint}", checkpoint=Path(chosen[0]).name))
    return chosen[0]


def train(trainer: ExactTrainer, checkpoint: str | None) -> bool:
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


def planned_steps(trainer: ExactTrainer) -> int:
    """Return the optimizer steps of the whole run: `max_steps`, else whole epochs."""
    if trainer.args.max_steps > 0:
        return int(trainer.args.max_steps)
    return int(trainer._get_train_sampler().steps * trainer.args.num_train_epochs)


def finish(
    spec: dict[str, Any],
    arguments: Arguments,
    trainer: ExactTrainer,
    tokenizer: Any,
    emitter: Emitter,
    parts: Any,
) -> None:
    """Evaluate the final weights, write them beside, rename them into place, declare the stage done."""
    from runtime.workers import best

    totals = trainer.progress.totals
    if trainer.eval_dataset is not None and totals.eval_step < trainer.state.global_step:
        trainer.evaluate()
    best_step = best.restore(trainer, emitter) if trainer.keeps_best else None
    name = getattr(parts, "result_name", result_name)(arguments)
    final = Path(arguments.training.output_dir) / name
    getattr(parts, "save_weights", save_weights)(trainer, arguments, tokenizer, final)
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


def result_name(arguments: Arguments) -> str:
    """Return what training hands over: `model` or `adapter`."""
    from runtime.workers import tuning

    return "model" if tuning.method_of(arguments) == "full" else "adapter"


def save_weights(trainer: ExactTrainer, arguments: Arguments, tokenizer: Any, final: Path) -> None:
    """Write the trained weights with PaddleNLP's own writer, all or nothing."""
    from runtime.workers import checkpoints, pipelines, pissa, witness

    partial = final.with_name(f".{final.name}.partial")
    if trainer.args.process_index == 0:
        shutil.rmtree(partial, ignore_errors=True)
    trainer.wait()
    with pipelines.as_one_model(trainer):
        trainer.save_model(str(partial), merge_tensor_parallel=trainer.args.tensor_parallel_degree > 1)
    trainer.wait()
    if trainer.args.process_index == 0:
        (partial / "training_args.bin").unlink(missing_ok=True)  # a pickle that nobody needs
        if getattr(trainer.model, "lora_config", None) is not None and trainer.model.lora_config.pissa:
            pissa.write_plain_lora(trainer.model, partial)
        if holds_whole_model(trainer) and not getattr(trainer.model, "quantized", False):
            witness.write(trainer.model, trainer.tokenizer, partial, exact=weight_bits(trainer.model) == 32)
        checkpoints.hand_over(partial, final)
    trainer.wait()


def holds_whole_model(trainer: ExactTrainer) -> bool:
    """Return whether the first rank can run the model by itself."""
    args = trainer.args
    split = max(args.tensor_parallel_degree, args.pipeline_parallel_degree, args.sep_parallel_degree)
    return split <= 1 and "stage3" not in str(args.sharding)


def weight_bits(model: Any) -> int:
    """Return the width of the numbers in which a model computes."""
    import paddle

    wide = all(weight.dtype == paddle.float32 for weight in model.parameters())
    return 32 if wide else 16
