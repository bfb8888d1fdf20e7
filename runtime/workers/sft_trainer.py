"""PaddleNLP's `SFTTrainer` without the defects that cost people their runs.

What is replaced, and nothing else: the training sampler (exact resume, no left-over micro-batches), the way
a checkpoint reaches the disk (whole or absent, rotated), and the random state after a resume at the border
of an epoch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paddle
from paddle.io import BatchSampler, DataLoader, Dataset, DistributedBatchSampler
from paddlenlp.trainer.trainer_utils import EvalLoopOutput
from paddlenlp.trl import SFTTrainer

from runtime.workers import checkpoint_layout, pipelines, tuning
from runtime.workers.answer_logits import AnswerLogits
from runtime.workers.emit import Emitter
from runtime.workers.evaluation import EvalBatches, TokenMean
from runtime.workers.generation_eval import GenerationEval
from runtime.workers.progress import Progress
from runtime.workers.published_checkpoints import PublishedCheckpoints, RestoreRandomState
from runtime.workers.sampler import ExactBatchSampler


class ExactTrainer(PublishedCheckpoints, SFTTrainer):  # type: ignore[misc]
    """A trainer whose resumed run equals the uninterrupted one."""

    def __init__(
        self,
        *,
        emitter: Emitter,
        progress: Progress,
        answer_logits: AnswerLogits | None,
        generation: GenerationEval | None = None,
        keeps_best: bool = False,
        **named: Any,
    ) -> None:
        super().__init__(**named)
        self.generation = generation
        self.keeps_best = keeps_best
        self.emitter = emitter
        self.progress = progress
        self.answer_logits = answer_logits
        self.add_callback(progress)

    def _get_train_sampler(self) -> DistributedBatchSampler:
        return ExactBatchSampler(
            self.train_dataset,
            micro_batch_size=self.args.per_device_train_batch_size,
            accumulation=self.args.gradient_accumulation_steps,
            processes=self.args.dataset_world_size,
            rank=self.args.dataset_rank,
            seed=self.args.seed,
        )

    def train(self, resume_from_checkpoint: str | None = None, **named: Any) -> Any:
        """Train; a checkpoint's random state is restored wherever in an epoch it was taken.

        Upstream restores it only after skipping at least one batch, so never at the border of an epoch.
        """
        if resume_from_checkpoint is not None:
            self.add_callback(RestoreRandomState(self, resume_from_checkpoint))
        return super().train(resume_from_checkpoint=resume_from_checkpoint, **named)

    def training_step(self, model: Any, inputs: dict[str, Any], step_control: int = 0) -> paddle.Tensor:
        """Count the micro-batch's tokens, then train on it."""
        self.progress.count(inputs)
        if pipelines.in_pipeline(self.args):
            inputs = pipelines.inputs_for(self._prepare_inputs(inputs))
        return super().training_step(model, inputs, step_control=step_control)

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False) -> Any:
        """Compute the loss from the positions whose label counts."""
        if self.answer_logits is None:
            return super().compute_loss(model, inputs, return_outputs)
        self.answer_logits.labels = inputs["labels"]
        try:
            return super().compute_loss(model, inputs, return_outputs)
        finally:
            self.answer_logits.labels = None

    def _get_eval_sampler(self, eval_dataset: Dataset) -> BatchSampler:
        return EvalBatches(
            eval_dataset,
            self.args.per_device_eval_batch_size,
            self.args.dataset_world_size,
            self.args.dataset_rank,
        )

    def evaluation_loop(self, dataloader: DataLoader, *positional: Any, **named: Any) -> EvalLoopOutput:
        """Return loss and accuracy per answer token, and scores of answers where they are asked for."""
        mean = TokenMean()
        self.model.eval()
        for inputs in dataloader:
            self.look(inputs, mean)
        metrics = mean.over_ranks(self.args)
        if self.generation is not None:
            scores = self.generation.run(self.model, self.args, self.state.global_step)
            metrics |= {f"eval_{name}": value for name, value in scores.items()}
        self.model.train()
        return EvalLoopOutput(None, None, metrics, len(dataloader.dataset))

    def look(self, inputs: dict[str, Any], mean: TokenMean) -> None:
        """Add a dev batch to `mean`. Where the logits are spread over devices, only the loss counts."""
        if pipelines.in_pipeline(self.args):
            with self.autocast_smart_context_manager():
                pipelines.look(self.model_wrapped, self._prepare_inputs(inputs), mean)
            return
        if self.args.tensor_parallel_degree > 1:
            loss, _, _ = self.prediction_step(self.model, inputs, prediction_loss_only=True)
            mean.add(loss, inputs["labels"])
            return
        inputs = self._prepare_inputs(inputs)
        labels = inputs["labels"]
        with paddle.no_grad(), self.autocast_smart_context_manager():
            loss, outputs = self.compute_loss(self.model, inputs, return_outputs=True)
        if self.answer_logits is not None and self.answer_logits.positions is not None:
            labels = paddle.index_select(labels.flatten(), self.answer_logits.positions)
        mean.add(loss.detach(), labels, outputs[1] if isinstance(outputs, tuple) else None)

    def complete(self, staged: Path) -> None:
        """Write the arguments, which upstream looks for, and how the optimizer is shared."""
        paddle.save(self.args, str(staged / "training_args.bin"))
        checkpoint_layout.write(staged, self.args)

    def _save(self, output_dir: str | None = None, **named: Any) -> None:
        """Write the weights; adapters that PaddleNLP's writer leaves incomplete are written here."""
        if tuning.files_of(self.model) is None:
            super()._save(output_dir=output_dir, **named)
        elif self.args.should_save:
            folder = output_dir or self.args.output_dir
            tuning.write(self.model, folder)
            self.tokenizer.save_pretrained(folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str | None = None) -> None:
        """Read the weights of a checkpoint, on every rank."""
        if resume_from_checkpoint and tuning.files_of(self.model) is not None:
            tuning.read(self.model, resume_from_checkpoint)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint)
