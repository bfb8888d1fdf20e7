"""Loss and accuracy over the dev rows: means over all answer tokens, whatever batch and process count are.

Upstream averages batch means, and repeats rows to fill the last batch of several processes, so its figure
changes with settings that have nothing to do with the model.
"""

from __future__ import annotations

from collections.abc import Iterator

import paddle
from paddle.io import BatchSampler, Dataset

from runtime.workers.callbacks import SFTConfig
from runtime.workers.conversation import IGNORED


class EvalBatches(BatchSampler):  # type: ignore[misc]
    """Every row exactly once, in order, batches dealt out to the processes in turn."""

    def __init__(self, dataset: Dataset, batch_size: int, processes: int, rank: int) -> None:
        super().__init__(dataset, batch_size=batch_size)
        self.mine = [
            list(range(start, min(start + batch_size, len(dataset))))
            for start in range(0, len(dataset), batch_size)
        ][rank::processes]

    def __len__(self) -> int:
        return len(self.mine)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.mine)


class TokenMean:
    """Sums loss and right guesses over the labels that count."""

    def __init__(self) -> None:
        self.loss = 0.0
        self.tokens = 0
        self.right = 0
        self.guessed = 0

    def add(self, loss: paddle.Tensor, labels: paddle.Tensor, logits: paddle.Tensor | None = None) -> None:
        """Add a batch with its mean loss; `logits` [.., labels, vocabulary] where they are known."""
        counts = labels.flatten() != IGNORED
        count = int(counts.sum())
        self.loss += float(loss) * count
        self.tokens += count
        if logits is not None and count:
            guesses = logits.argmax(axis=-1).flatten()
            self.right += int(paddle.logical_and(guesses == labels.flatten(), counts).sum())
            self.guessed += count

    def over_ranks(self, args: SFTConfig) -> dict[str, float]:
        """Return the mean loss, and the share of right guesses if they were looked at, over all processes.

        The perplexity is the exponential of the loss, which upstream's trainer logs beside it.
        """
        values = [self.loss, float(self.tokens), float(self.right), float(self.guessed)]
        sums = paddle.to_tensor(values, dtype="float64")
        if args.world_size > 1:
            paddle.distributed.all_reduce(sums)
        loss, tokens, right, guessed = sums.tolist()
        found = {"eval_loss": float(loss / max(tokens, 1.0))}
        return found | ({"eval_accuracy": right / guessed} if guessed else {})
