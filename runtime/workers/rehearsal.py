"""Take a few real optimizer steps on the longest sequences and measure them."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import paddle
import psutil
from paddle.io import Dataset

from runtime.workers.callbacks import SFTConfig, TrainerCallback, TrainerControl, TrainerState
from runtime.workers.emit import Emitter
from runtime.workers.progress import Progress, replicas
from runtime.workers.stop import StopRequest

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedTokenizer

    from runtime.workers.sft_arguments import Arguments
    from runtime.workers.sft_dataset import Loaded
    from runtime.workers.sft_setup import Model, Splits


class Measured(NamedTuple):
    """What the steps showed."""

    step_seconds: float
    peak_memory_bytes: int
    """Of the process that took most."""
    longest_tokens: int
    losses: list[float]


class Longest(Dataset):  # type: ignore[misc]
    """The longest sequences of a split, so that the rehearsal meets the worst case of the whole run."""

    def __init__(self, split: Loaded, most: int) -> None:
        super().__init__()
        self.split = split.dataset
        order = sorted(range(len(self.split)), key=self.split.tokens, reverse=True)
        self.indices = order[:most]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> dict[str, Any]:
        features: dict[str, Any] = self.split[self.indices[index]]
        return features

    def tokens(self, index: int) -> int:
        """Return the number of tokens in a sequence."""
        return self.split.tokens(self.indices[index])


class Stopwatch(TrainerCallback):  # type: ignore[misc]
    """Times each optimizer step and keeps its loss."""

    def __init__(self) -> None:
        self.begun = 0.0
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def on_step_begin(
        self, args: SFTConfig, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start."""
        self.begun = time.monotonic()

    def on_step_end(
        self, args: SFTConfig, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stop."""
        self.seconds.append(time.monotonic() - self.begun)

    def on_log(self, args: SFTConfig, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Keep the loss."""
        logs = kwargs.get("logs") or {}
        if "loss" in logs:
            self.losses.append(float(logs["loss"]))


class Silent(Emitter):
    """Swallows the events of the rehearsal's own training loop, which are not those of the run."""

    def emit(self, kind: str, **fields: Any) -> None:
        """Do nothing."""


def rehearse(
    arguments: Arguments,
    model: Model,
    tokenizer: PretrainedTokenizer,
    splits: Splits,
    emitter: Emitter,
    stop: StopRequest,
    setup: Any,
) -> Measured:
    """Train for the config's `max_steps` on the longest sequences. Only the last step is timed.

    `setup` is the module that builds the trainer.
    """
    training = arguments.training
    most = training.per_device_train_batch_size * training.gradient_accumulation_steps * training.max_steps
    most *= replicas(training)
    longest = Longest(splits.train, most)
    silent = Silent(emitter.folder, emitter.stage, emitter.rank)
    progress = Progress(silent, stop)
    watch = Stopwatch()
    only_longest = type(splits)(splits.train._replace(dataset=longest), None)
    setup.build_trainer(arguments, model, tokenizer, only_longest, progress, silent, [watch]).train()
    seconds = watch.seconds[-1] if watch.seconds else 0.0
    peak = int(progress.totals.peak_memory_bytes)
    return Measured(seconds, peak, longest.tokens(0), watch.losses)


def free_memory_bytes() -> int:
    """Return the memory that training may use: of its GPU, or of the host within the container's limit."""
    if paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0:
        return int(paddle.device.cuda.get_device_properties().total_memory)
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        free = min(free, limit - used)
    return free
