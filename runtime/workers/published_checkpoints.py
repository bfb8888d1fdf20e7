"""How a checkpoint of either toolkit reaches the disk: whole or absent, under its name; old ones rotate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paddle

from runtime.workers import checkpoints
from runtime.workers.callbacks import TrainerCallback
from runtime.workers.emit import Emitter
from runtime.workers.speech import say

STATE = "trainer_state.json"
"""The trainer's state in a checkpoint: what the workers read of it."""


class PublishedCheckpoints:
    """Mixed into a toolkit's trainer, before it."""

    args: Any
    state: Any
    emitter: Emitter

    def _save_checkpoint(self, model: Any, metrics: dict[str, float] | None = None) -> None:
        """Let upstream write a checkpoint aside, then publish it under its name and rotate the old ones."""
        output, name = self.args.output_dir, f"checkpoint-{self.state.global_step}"
        speaks = self.args.process_index == 0
        if speaks:
            self.emitter.state("saving", say("step {step}", step=self.state.global_step))
            checkpoints.staging(Path(output))
        self.wait()
        best_before = self.state.best_model_checkpoint
        staged = Path(output) / checkpoints.STAGING
        self.args.output_dir = self.args.output_signal_dir = str(staged)
        try:
            super()._save_checkpoint(model, metrics)  # type: ignore[misc]  # the toolkit's trainer
        finally:
            self.args.output_dir = self.args.output_signal_dir = output
        if self.state.best_model_checkpoint != best_before:
            self.state.best_model_checkpoint = str(Path(output) / name)
        self.wait()
        if speaks:
            self.publish(staged / name, Path(output) / name)
        self.wait()

    def publish(self, staged: Path, final: Path) -> None:
        """Finish a checkpoint on the first rank."""
        self.state.save_to_json(str(staged / STATE))
        self.complete(staged)
        checkpoints.publish(staged, final)
        staged.parent.rmdir()
        self.emitter.state("saved", say("step {step}", step=self.state.global_step))
        if self.args.save_total_limit:
            checkpoints.rotate(final.parent, self.args.save_total_limit, self.state.best_model_checkpoint)

    def complete(self, staged: Path) -> None:
        """Write what this toolkit's checkpoints need besides the trainer's state."""

    def _rotate_checkpoints(self, use_mtime: bool = False, output_dir: str | None = None) -> None:
        """Do nothing: `publish` rotates, on one process as on many."""

    def wait(self) -> None:
        """Wait until every rank is here."""
        if self.args.world_size > 1:
            paddle.distributed.barrier()


class RestoreRandomState(TrainerCallback):  # type: ignore[misc]
    """Restores the random state of a checkpoint as training begins."""

    def __init__(self, trainer: Any, checkpoint: str) -> None:
        self.trainer = trainer
        self.checkpoint = checkpoint

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Restore it."""
        self.trainer._load_rng_state(self.checkpoint)
