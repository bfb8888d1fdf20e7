"""The loss over the dev rows: the mean over all answer tokens, whatever batch size and process count are.

Upstream averages batch means, and repeats rows to fill the last batch of several processes, so its figure
changes with settings that have nothing to do with the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import paddle
from paddle.io import BatchSampler, Dataset
from paddlenlp.trl import SFTConfig

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
    """Sums losses weighted by the number of labels that count."""

    def __init__(self) -> None:
        self.loss = 0.0
        self.tokens = 0

    def add(self, loss: paddle.Tensor, inputs: dict[str, Any]) -> None:
        """Add a batch with its mean loss."""
        count = int((inputs["labels"] != IGNORED).sum())
        self.loss += float(loss) * count
        self.tokens += count

    def over_ranks(self, args: SFTConfig) -> float:
        """Return the mean over all processes."""
        sums = paddle.to_tensor([self.loss, float(self.tokens)], dtype="float64")
        if args.world_size > 1:
            paddle.distributed.all_reduce(sums)
        loss, tokens = sums.tolist()
        return float(loss / max(tokens, 1.0))
