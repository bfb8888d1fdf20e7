"""The trainer of preferences: exact like that of fine-tuning, with a reference model and rewards.

PaddleNLP's own `DPOTrainer` and `KTOTrainer` need a fleet of processes as soon as there is a reference
model or an evaluation, leave dropout on in all but the outermost layer, and average figures over batches.
Only their formulas are used (`preference_losses`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import paddle
from paddle.io import DataLoader
from paddlenlp.trainer import Trainer, TrainerCallback, TrainerControl, TrainerState
from paddlenlp.trainer.trainer_utils import EvalLoopOutput
from paddlenlp.transformers import PretrainedModel
from paddlenlp.trl import DPOCriterion, SFTConfig

from runtime.workers.answer_logits import AnswerLogits
from runtime.workers.preference_arguments import Objective
from runtime.workers.preference_losses import (
    Judged,
    figures,
    joined,
    judged,
    kto_baseline,
    log_probabilities,
    loss_of,
    scores_at_ends,
)
from runtime.workers.sft_trainer import ExactTrainer


def without_dropout(model: Any) -> int:
    """Switch dropout off in every layer; return in how many it was on.

    What policy and reference think of an answer differs by what was learned, and not by chance. Upstream's
    `disable_dropout_in_model` looks at direct children only, so that adapters keep theirs.
    """
    layers = [layer for layer in model.sublayers(include_self=True) if isinstance(layer, paddle.nn.Dropout)]
    on = [layer for layer in layers if layer.p]
    for layer in on:
        layer.p = 0.0
    return len(on)


class Reference:
    """The model as it was before training: a frozen copy, or the trained one with its adapters switched
    off."""

    def __init__(self, copy: Any | None, hooks: AnswerLogits | None) -> None:
        self.copy = copy
        self.hooks = hooks

    @contextlib.contextmanager
    def of(self, model: Any) -> Iterator[Any]:
        """Yield the reference while `model` (LoRA) may be changed; no gradient is recorded."""
        with paddle.no_grad():
            if self.copy is not None:
                yield self.copy
                return
            model.disable_lora()
            try:
                yield model
            finally:
                model.enable_lora()


class FirstLook(TrainerCallback):  # type: ignore[misc]
    """Evaluates once before the first step, when the clocks are running."""

    def __init__(self, trainer: PreferenceTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(
        self, args: SFTConfig, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Evaluate."""
        self.trainer.evaluate()


class PreferenceTrainer(ExactTrainer):
    """Trains on pairs or judged answers; see `Objective`."""

    def __init__(self, *, objective: Objective, reference: Reference | None, **named: Any) -> None:
        super().__init__(**named)
        self.objective = objective
        self.reference = reference
        self.seen: list[Judged] = []
        """What was made of the pairs since the last log."""
        inner = self.model if isinstance(self.model, PretrainedModel) else self.model.model
        self.criterion = DPOCriterion(inner.config, dpo_config=objective)

    def train(self, resume_from_checkpoint: str | None = None, **named: Any) -> Any:
        """Train; a fresh run first looks at the dev pairs, so that what training did can be told."""
        if resume_from_checkpoint is None and self.eval_dataset is not None:
            self.add_callback(FirstLook(self))
        return super().train(resume_from_checkpoint=resume_from_checkpoint, **named)

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False) -> Any:
        """Return the loss of a batch of packs."""
        found = self.judge(model, inputs)
        self.seen.append(found.detached())
        return loss_of(self.objective, found, self.criterion, self.baseline(found))

    def judge(self, model: Any, batch: dict[str, Any]) -> Judged:
        """Return what policy and reference make of a batch."""
        if self.objective.stage == "reward":
            return judged(batch, scores_at_ends(model, batch), None)
        logprobs = self.criterion.logprobs
        reference = None
        if self.reference is not None:
            with self.reference.of(self.model) as other:
                hooks = self.reference.hooks
                reference = log_probabilities(other, hooks, batch, logprobs)
        return judged(batch, log_probabilities(model, self.answer_logits, batch, logprobs), reference)

    def baseline(self, found: Judged) -> paddle.Tensor | None:
        """Return KTO's baseline over the batches of all processes; None where these pairs say it all."""
        if self.objective.stage != "kto" or self.args.world_size == 1:
            return None
        ratio = (found.second - found.reference_second).detach()
        sums = paddle.stack([ratio.sum(), paddle.full([], float(ratio.shape[0]))])
        paddle.distributed.all_reduce(sums)
        return (sums[0] / sums[1]).clip(min=0)

    def everywhere(self, parts: list[Judged]) -> Judged | None:
        """Return what was made of the pairs on all processes, as one; None where there were none."""
        values = [[field.numpy() for field in part] for part in parts]
        if self.args.world_size > 1:
            gathered: list[Any] = []
            paddle.distributed.all_gather_object(gathered, values)
            values = [part for rank in gathered for part in rank]
        found = [Judged(*map(paddle.to_tensor, part)) for part in values]
        return joined(found) if found else None

    def log(self, logs: dict[str, float], **named: Any) -> None:
        """Add the rewards of the pairs since the last log to the figures of training."""
        if "loss" in logs:
            found = self.everywhere(self.seen)
            self.seen = []
            logs |= figures(self.objective, found) if found is not None else {}
        Trainer.log(
            self, logs, **named
        )  # not SFTTrainer's, which adds a perplexity that these losses have not

    def evaluation_loop(self, dataloader: DataLoader, *positional: Any, **named: Any) -> EvalLoopOutput:
        """Return loss and rewards over all dev pairs at once: batches and processes make no difference."""
        self.model.eval()
        parts = []
        for inputs in dataloader:
            batch = self._prepare_inputs(inputs)
            with paddle.no_grad(), self.autocast_smart_context_manager():
                parts.append(self.judge(self.model, batch))
        self.model.train()
        found = self.everywhere(parts)
        assert found is not None
        baseline = kto_baseline(found) if self.objective.stage == "kto" else None
        loss = float(loss_of(self.objective, found, self.criterion, baseline))
        metrics = {"eval_loss": loss} | {
            f"eval_{name}": value for name, value in figures(self.objective, found).items()
        }
        return EvalLoopOutput(None, None, metrics, len(dataloader.dataset))
