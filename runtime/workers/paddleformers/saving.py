"""What PaddleFormers' training hands over: an adapter, or a Hugging Face folder by our own writer."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from runtime.workers import checkpoints, witness
from runtime.workers.paddleformers import adapter, hf_writer


def result_name(arguments: Any) -> str:
    """Return what training hands over: `model` or `adapter`."""
    return "adapter" if arguments.model.lora else "model"


def save_weights(trainer: Any, arguments: Any, tokenizer: Any, final: Path) -> None:
    """Write the trained weights, all or nothing, and what the model says with them."""
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
        checkpoints.hand_over(partial, final)
    trainer.wait()
