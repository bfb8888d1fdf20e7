"""The preflight stage at work: build what training builds, take two steps, compare with the machine."""

from __future__ import annotations

import importlib
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paddle

from runtime.workers.callbacks import IntervalStrategy
from runtime.workers.device import use_device
from runtime.workers.refusal import RefusedError
from runtime.workers.rehearsal import Measured, free_memory_bytes, rehearse
from runtime.workers.speech import say
from runtime.workers.stage_run import Stage, StoppedError

paddle.disable_signal_handler()

if TYPE_CHECKING:
    from runtime.workers.sft_arguments import Arguments
    from runtime.workers.sft_dataset import Loaded

SETUP = "runtime.workers.sft_setup"

STEPS = 2
MOST_MICRO_BATCHES = 4
"""A step with more is measured with this many and scaled: micro-batches of one length cost the same. In a
pipeline they do not, so all of them are measured."""


PIPELINES = ("pipeline_parallel_degree", "pipeline_model_parallel_size")
"""What the toolkits call the number of a pipeline's stages."""


def work(spec: dict[str, Any], stage: Stage, setup: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
    """Return no outputs, and what was measured. `setup` is the module that builds what is rehearsed, by
    default that of supervised fine-tuning."""
    parts: Any = setup or importlib.import_module(SETUP)
    emitter = stage.emitter
    extras = spec.get("train", {})
    processes, here = int(spec.get("processes", 1)), int(spec.get("processes_here", 1))
    free = free_memory_bytes()
    arguments = parts.parse(spec["config"], extras, processes)
    use_device(arguments)
    planned = arguments.training.gradient_accumulation_steps
    folder = Path(spec["stage_folder"]) / "rehearsal"
    shorten(arguments, folder)
    tokenizer = parts.load_tokenizer(arguments)
    splits = parts.load_splits(arguments, tokenizer, emitter)
    emitter.progress(1, 3, "parts", say("the data is readable"))
    check_stop(stage)
    model = parts.build_model(arguments, extras)
    emitter.progress(2, 3, "parts", say("the model is loaded"))
    check_stop(stage)
    measured = rehearse(arguments, model, tokenizer, splits, emitter, stage.stop, parts)
    check_stop(stage)
    if emitter.rank == 0:
        shutil.rmtree(folder, ignore_errors=True)
    step_seconds = measured.step_seconds * planned / arguments.training.gradient_accumulation_steps
    emitter.log(
        say(
            "A step on the longest sequences ({longest_tokens} tokens) takes about {step_seconds:.2f} s; "
            "most are shorter.",
            step_seconds=step_seconds,
            longest_tokens=measured.longest_tokens,
        )
    )
    prove_steps(stage, measured.losses)
    prove_memory(stage, measured, here, free)
    emitter.progress(3, 3, "parts", say("two steps were taken"))
    return {}, {
        "step_seconds": step_seconds,
        "peak_memory_bytes": measured.peak_memory_bytes,
        "longest_row_tokens": measured.longest_tokens,
        **counts(splits.train),
    }


def check_stop(stage: Stage) -> None:
    """Raise `StoppedError` in every process if a stop was requested in any: one alone would leave the others
    waiting for it."""
    asked = [stage.stop.requested()]
    if paddle.distributed.get_world_size() > 1:
        found = paddle.to_tensor(float(asked[0]))
        paddle.distributed.all_reduce(found)
        asked = [bool(found.item())]
    if asked[0]:
        raise StoppedError(stage.stop.reason())


def shorten(arguments: Arguments, folder: Path) -> None:
    """Turn the config into that of a rehearsal: few steps, no evaluation, nothing saved."""
    training = arguments.training
    if not any(getattr(training, name, 1) > 1 for name in PIPELINES):
        training.gradient_accumulation_steps = min(training.gradient_accumulation_steps, MOST_MICRO_BATCHES)
    training.max_steps = STEPS
    training.do_eval = False
    training.evaluation_strategy = training.save_strategy = IntervalStrategy.NO
    training.load_best_model_at_end = False
    training.logging_steps = 1
    training.output_dir = training.output_signal_dir = str(folder)


def counts(train: Loaded) -> dict[str, int]:
    """Return what the training split holds."""
    return {
        "train_rows": train.rows,
        "train_sequences": len(train.dataset),
        "train_tokens": train.tokens,
        "answer_tokens": train.answer_tokens,
        "cut_rows": train.cut_rows,
        "silent_rows": train.silent_rows,
    }


def prove_steps(stage: Stage, losses: list[float]) -> None:
    """Prove that the steps ran and gave a number."""
    finite = len(losses) == STEPS and all(math.isfinite(loss) for loss in losses)
    shown = say(" then ").join(f"{loss:.3f}" for loss in losses) or say("none")
    stage.emitter.proof(
        "preflight.steps", finite, say("Two optimizer steps ran; the loss was {shown}.", shown=shown)
    )
    if not finite:
        raise RefusedError(
            say("The rehearsal's loss is not a finite number."),
            remedy=say("Lower learning_rate, or look at the rows that the prepare stage reports."),
        )


def prove_memory(stage: Stage, measured: Measured, processes: int, free: int) -> None:
    """Prove that all processes fit into the memory that was free before the rehearsal."""
    on_host = paddle.device.get_device() == "cpu"
    needed = measured.peak_memory_bytes * (processes if on_host else 1)
    gigabytes = say("{needed:.1f} of {free:.1f} GiB", needed=needed / 2**30, free=free / 2**30)
    stage.emitter.proof(
        "preflight.memory",
        needed <= free,
        say(
            "On the longest sequences all training processes together ({processes}) need {gigabytes} "
            "of memory.",
            processes=processes,
            gigabytes=gigabytes,
        ),
        peak_memory_bytes=measured.peak_memory_bytes,
        processes=processes,
        free_bytes=free,
    )
    if needed > free:
        raise RefusedError(
            say("Training would need {gigabytes} memory.", gigabytes=gigabytes),
            say("The longest sequences of the data decide this."),
            say(
                "Lower per_device_train_batch_size or max_length, turn recompute on, or use fewer processes."
            ),
        )
