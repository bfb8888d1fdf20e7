"""The lowest dev loss: which checkpoint had it, and when to stop waiting for a lower one.

Upstream's reload of the best checkpoint fails on one process at the very end of a run, and its early stopping
forgets on resume how long it has waited. What is counted here travels in the checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.workers.callbacks import SFTConfig, TrainerCallback, TrainerControl, TrainerState
from runtime.workers.emit import Emitter
from runtime.workers.progress import Progress
from runtime.workers.speech import say

if TYPE_CHECKING:
    from runtime.workers.sft_trainer import ExactTrainer


class Patience(TrainerCallback):  # type: ignore[misc]
    """Notes the lowest dev loss, and ends the training after `patience` looks without a lower one.

    With patience 0 it only notes.
    """

    def __init__(self, progress: Progress, emitter: Emitter, patience: int) -> None:
        self.progress = progress
        self.emitter = emitter
        self.patience = patience

    def on_evaluate(
        self, args: SFTConfig, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Compare this look with the best one so far."""
        loss = (kwargs.get("metrics") or {}).get("eval_loss")
        totals = self.progress.totals
        if loss is None or totals.ended_early:
            return control
        if totals.best_loss is None or loss < totals.best_loss:
            totals.best_loss, totals.looks_without_gain = float(loss), 0
        else:
            totals.looks_without_gain += 1
        if 0 < self.patience <= totals.looks_without_gain and state.global_step < state.max_steps:
            totals.ended_early = True
            control.should_save = control.should_training_stop = True
            if self.emitter.rank == 0:
                self.emitter.log(
                    say(
                        "In {looks_without_gain} looks the dev loss has not fallen below {best_loss:.4f}: "
                        "training ends at step {global_step} of {max_steps}.",
                        looks_without_gain=totals.looks_without_gain,
                        best_loss=totals.best_loss,
                        global_step=state.global_step,
                        max_steps=state.max_steps,
                    )
                )
        self.progress.keep(state)
        return control


def restore(trainer: ExactTrainer, emitter: Emitter) -> int | None:
    """Load the saved checkpoint of the lowest dev loss, if the last state is worse; return its step."""
    state, last = trainer.state, trainer.progress.totals.eval_loss
    if state.best_model_checkpoint is None or state.best_metric is None or last is None:
        return None
    folder = Path(trainer.args.output_dir) / Path(state.best_model_checkpoint).name
    if last <= state.best_metric or not folder.is_dir():
        return None
    trainer._load_from_checkpoint(str(folder))
    trainer.wait()
    step = int(folder.name.rsplit("-", 1)[-1])
    trainer.progress.totals.eval_loss = float(state.best_metric)
    if emitter.rank == 0:
        emitter.log(
            say(
                "The weights of step {step} are handed over: their dev loss was {best_metric:.4f}, and "
                "{last:.4f} at the end.",
                step=step,
                best_metric=state.best_metric,
                last=last,
            )
        )
    return step
