"""PaddleFormers' trainer with what an exact resume needs: order of rows, checkpoints, random state.

Checkpoints are the toolkit's own (flex checkpoints). It writes the model's part twice, for LoRA with all
frozen weights in it, and nothing of it is atomic; here each part is written once, a LoRA checkpoint holds
what is trained, and a folder gets its name when it is complete.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paddle
from paddle.distributed import fleet
from paddle.io import BatchSampler, Dataset, DistributedBatchSampler
from paddleformers.trainer import Trainer, TrainerCallback
from paddleformers.trainer.trainer_utils import EvalLoopOutput

from runtime.workers.answer_logits import AnswerLogits
from runtime.workers.emit import Emitter
from runtime.workers.evaluation import EvalBatches, TokenMean
from runtime.workers.progress import Progress
from runtime.workers.published_checkpoints import PublishedCheckpoints, RestoreRandomState
from runtime.workers.sampler import ExactBatchSampler

UPSTREAM_STATE = "trainer_state.bin"
"""Where the toolkit looks for the trainer's state (utils/env.py:84)."""


class FlexTrainer(PublishedCheckpoints, Trainer):  # type: ignore[misc]
    """A trainer whose resumed run equals the uninterrupted one."""

    def __init__(
        self,
        *,
        emitter: Emitter,
        progress: Progress,
        answer_logits: AnswerLogits | None = None,
        keeps_best: bool = False,
        **named: Any,
    ) -> None:
        super().__init__(**named)
        self.emitter = emitter
        self.progress = progress
        self.answer_logits = answer_logits
        self.keeps_best = keeps_best
        self.sampler: ExactBatchSampler | None = None
        self.add_callback(EpochOrder(self))
        self.add_callback(progress)

    def _get_train_sampler(self) -> DistributedBatchSampler:
        self.sampler = ExactBatchSampler(
            self.train_dataset,
            micro_batch_size=self.args.per_device_train_batch_size,
            accumulation=self.args.gradient_accumulation_steps,
            processes=self.args.dataset_world_size,
            rank=self.args.dataset_rank,
            seed=self.args.seed,
        )
        return self.sampler

    def _get_eval_sampler(self, eval_dataset: Dataset) -> BatchSampler:
        return EvalBatches(
            eval_dataset,
            self.args.per_device_eval_batch_size,
            self.args.dataset_world_size,
            self.args.dataset_rank,
        )

    def train(self, resume_from_checkpoint: str | None = None, **named: Any) -> Any:
        """Train; a checkpoint's random state is restored wherever in an epoch it was taken."""
        if resume_from_checkpoint is not None:
            self.add_callback(RestoreRandomState(self, resume_from_checkpoint))
        return super().train(resume_from_checkpoint=resume_from_checkpoint, **named)

    def training_step(self, model: Any, inputs: dict[str, Any], step_control: int = 0) -> paddle.Tensor:
        """Count the micro-batch's tokens, then train on it."""
        self.progress.fresh_tokens += int(inputs.pop("real_tokens"))
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

    def evaluation_loop(self, dataloader: Any, *positional: Any, **named: Any) -> EvalLoopOutput:
        """Return loss and accuracy per answer token over all dev rows."""
        mean = TokenMean()
        self.model.eval()
        for inputs in dataloader:
            inputs.pop("real_tokens", None)
            self.look(self._prepare_inputs(inputs), mean)
        self.model.train()
        return EvalLoopOutput(None, None, mean.over_ranks(self.args), len(dataloader.dataset))

    def look(self, inputs: dict[str, Any], mean: TokenMean) -> None:
        """Add a dev batch to `mean`; where the logits are spread over devices, only its loss."""
        labels = inputs["labels"]
        split = max(self.args.tensor_model_parallel_size, self.args.pipeline_model_parallel_size) > 1
        with paddle.no_grad(), self.autocast_smart_context_manager():
            loss, outputs = self.compute_loss(self.model, inputs, return_outputs=True)
        if self.answer_logits is not None and self.answer_logits.positions is not None:
            labels = paddle.index_select(labels.flatten(), self.answer_logits.positions)
        logits = outputs[1] if isinstance(outputs, tuple) and not split else None
        mean.add(loss.detach(), labels, logits)

    def _save_flex_model_state(self, output_dir: str) -> None:
        """Write the model's part once: upstream asks for it twice for each checkpoint."""
        if not any(Path(output_dir, "model_state").glob("*.metadata")):
            super()._save_flex_model_state(output_dir)

    def complete(self, staged: Path) -> None:
        """Write the trainer's state where the toolkit looks for it."""
        self.state.save(str(staged / UPSTREAM_STATE))

    def _load_from_checkpoint(self, resume_from_checkpoint: str | None = None) -> None:
        """Read the weights of a checkpoint, without what the optimizer knew."""
        if resume_from_checkpoint is None:
            return
        shards = self.model.sharded_state_dict()
        paddle.distributed.load_state_dict(shards, str(Path(resume_from_checkpoint, "model_state")))

    def _load_flex_checkpoint(self, resume_from_checkpoint: str) -> None:
        """Read a checkpoint with what the optimizer knew.

        Upstream asks for the groups of a hybrid-parallel run, which plain runs do not have, and so cannot
        resume on one process (trainer.py:1146). It uses them only for a kind of exchange that is not chosen
        here.
        """
        if self.args.use_hybrid_parallel:
            super()._load_flex_checkpoint(resume_from_checkpoint)
            return
        self.args.flex_ckpt_comm_method = "broadcast"
        asked = fleet.get_hybrid_communicate_group
        fleet.get_hybrid_communicate_group = lambda: None
        try:
            super()._load_flex_checkpoint(resume_from_checkpoint)
        finally:
            fleet.get_hybrid_communicate_group = asked


class EpochOrder(TrainerCallback):  # type: ignore[misc]
    """Tells the sampler the epoch: upstream does so for samplers of its own only (trainer.py:2190)."""

    def __init__(self, trainer: FlexTrainer) -> None:
        self.trainer = trainer
        self.epoch: int | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin with the epoch of the checkpoint."""
        assert self.trainer.sampler is not None
        self.epoch = state.global_step // self.trainer.sampler.steps

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Choose the order of this epoch's rows."""
        assert self.trainer.sampler is not None and self.epoch is not None
        self.trainer.sampler.set_epoch(self.epoch)
        self.epoch += 1
