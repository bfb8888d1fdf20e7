"""What a training run says while it goes: figures per log interval, and the totals that survive a resume."""

from __future__ import annotations

import resource
import time
from dataclasses import asdict, dataclass
from typing import Any

import paddle

from runtime.workers import memory_room
from runtime.workers.callbacks import (
    IntervalStrategy,
    SFTConfig,
    TrainerCallback,
    TrainerControl,
    TrainerState,
)
from runtime.workers.emit import Emitter, take_save_request
from runtime.workers.stop import StopRequest

SCORES = ("bleu4", "rouge1", "rouge2", "rougeL")
REWARDS = ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "kl")
KEPT = (
    *("loss", "learning_rate", "eval_loss", "eval_ppl", "eval_accuracy", *REWARDS),
    *(f"eval_{one}" for one in (*SCORES, *REWARDS, "recall", "margin")),
)


@dataclass
class Totals:
    """Sums over the whole run. They travel in the checkpoint: upstream's own start again at a resume."""

    seconds: float = 0.0
    training_seconds: float = 0.0
    tokens: float = 0.0
    loss_sum: float = 0.0
    logged_steps: int = 0
    eval_loss: float | None = None
    eval_step: int = -1
    peak_memory_bytes: float = 0.0
    host_memory_bytes: float = 0.0
    best_loss: float | None = None
    looks_without_gain: int = 0
    """Evaluations since the lowest dev loss."""
    ended_early: bool = False

    @property
    def train_loss(self) -> float:
        """Mean over the optimizer steps that were logged."""
        return self.loss_sum / max(self.logged_steps, 1)

    @property
    def tokens_per_second(self) -> float:
        """Tokens of all processes per second of training steps: no padding, no evaluation, no saving."""
        return self.tokens / max(self.training_seconds, 1e-9)


def peak_memory_bytes() -> int:
    """Return the highest memory of this process so far: reserved on its GPU, or resident in host RAM."""
    if paddle.is_compiled_with_cuda() and paddle.device.get_device().startswith("gpu"):
        return int(paddle.device.cuda.max_memory_reserved())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def real_tokens(inputs: dict[str, Any]) -> int:
    """Return the number of tokens in a batch that are not padding, from its attention mask of any rank."""
    mask = inputs["attention_mask"]
    if len(mask.shape) > 2:  # [batch, (1,) length, length]: a token that is not padding sees itself
        mask = paddle.diagonal(mask.astype("int32"), axis1=-2, axis2=-1)
    return int(mask.astype("int64").sum())


def replicas(args: SFTConfig) -> int:
    """Return how many groups of processes see rows of their own: in a group that splits the model every
    process counts the same tokens."""
    return max(1, int(getattr(args, "dataset_world_size", args.world_size)))


class Progress(TrainerCallback):  # type: ignore[misc]
    """Counts on every rank, agrees over ranks once per step, speaks on rank 0."""

    def __init__(self, emitter: Emitter, stop: StopRequest) -> None:
        self.emitter = emitter
        self.stop = stop
        self.totals = Totals()
        self.fresh_tokens = 0
        self.interval_tokens = 0.0
        self.interval_started = 0.0
        self.started = 0.0
        self.seconds_before = 0.0
        self.last_logged_step = 0
        self.stopping = False
        self.saving = False
        """Whether a checkpoint was asked for at this step."""

    def count(self, inputs: dict[str, Any]) -> None:
        """Add a micro-batch."""
        self.fresh_tokens += real_tokens(inputs)

    def agree(self, args: SFTConfig) -> bool:
        """Sum requests, tokens and memory over all ranks in one small all-reduce; return whether to stop."""
        memory = float(peak_memory_bytes())
        stop = float(self.stop.requested())
        # One rank looks, because on a shared disk the others may see a removed file a while longer.
        save = float(args.process_index == 0 and take_save_request(self.emitter.folder))
        tokens = self.fresh_tokens * replicas(args) / args.world_size
        memories = [memory]
        if args.world_size > 1:
            values = [stop, save, tokens] + [0.0] * args.world_size
            values[3 + args.process_index] = memory
            summed = paddle.to_tensor(values, dtype="float64")
            paddle.distributed.all_reduce(summed)
            stop, save, tokens, *memories = summed.tolist()
        self.saving = save > 0
        self.fresh_tokens = 0
        self.interval_tokens += tokens
        self.totals.tokens += tokens
        self.totals.peak_memory_bytes = max(self.totals.peak_memory_bytes, *memories)
        self.totals.host_memory_bytes = max(self.totals.host_memory_bytes, sum(memories))
        return stop > 0

    def restore(self, state: TrainerState) -> None:
        """Take the totals from the state of a checkpoint."""
        if state.trial_params:
            self.totals = Totals(**state.trial_params)

    def on_train_begin(
        self, args: SFTConfig, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take the totals from the checkpoint, and start the clocks. A tracker may have taken the signals."""
        self.restore(state)
        self.stop.listen()
        self.started = self.interval_started = time.monotonic()
        self.seconds_before = self.totals.seconds
        self.last_logged_step = state.global_step
        if args.process_index == 0:
            self.emitter.progress(state.global_step, state.max_steps, "steps")

    def on_step_begin(
        self, args: SFTConfig, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Make the machine small where a test asks for it."""
        if self.emitter.stage == "train":
            memory_room.limit_from(state.global_step)

    def on_step_end(
        self, args: SFTConfig, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Save at the last step or on request, and save and stop when any rank was asked to."""
        asked = self.agree(args)
        last = state.global_step >= state.max_steps
        if self.saving:  # with the figures up to here, or a resume from it would begin in mid-interval
            control.should_log = state.global_step > self.last_logged_step
            control.should_save = True
        if last:
            control.should_log = state.global_step > self.last_logged_step
            control.should_save = args.save_strategy != IntervalStrategy.NO
        if asked and not last:
            self.stopping = True
            control.should_log = state.global_step > self.last_logged_step
            control.should_evaluate = False
            control.should_save = True
            control.should_training_stop = True
        self.keep(state)
        if args.process_index == 0:
            self.emitter.progress(state.global_step, state.max_steps, "steps")
            if self.stopping:
                self.emitter.state("stopping", self.stop.reason())
        return control

    def keep(self, state: TrainerState) -> None:
        """Put the totals where the checkpoint saves them."""
        self.totals.seconds = self.seconds_before + time.monotonic() - self.started
        state.trial_params = asdict(self.totals)

    def on_log(
        self,
        args: SFTConfig,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record the figures of an interval or an evaluation."""
        figures = {key: float(value) for key, value in (logs or {}).items() if key in KEPT}
        if not figures:
            return
        now = time.monotonic()
        if "loss" in figures:
            steps = state.global_step - self.last_logged_step
            self.totals.loss_sum += figures["loss"] * steps
            self.totals.logged_steps += steps
            self.last_logged_step = state.global_step
            seconds = max(now - self.interval_started, 1e-9)
            self.totals.training_seconds += seconds
            figures |= {
                "tokens_per_second": self.interval_tokens / seconds,
                "step_seconds": seconds / max(steps, 1),
                "peak_memory_bytes": self.totals.peak_memory_bytes,
            }
            self.interval_tokens = 0.0
        if "eval_loss" in figures:
            self.totals.eval_loss, self.totals.eval_step = figures["eval_loss"], state.global_step
        self.interval_started = now
        self.keep(state)
        if args.process_index == 0:
            self.emitter.metric(state.global_step, **figures, epoch=float(state.epoch or 0.0))

    def on_save(self, args: SFTConfig, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Leave the time that saving took out of the next interval's speed."""
        self.interval_started = time.monotonic()
