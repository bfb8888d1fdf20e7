"""Which rows a step sees: a function of seed, epoch and step alone.

Upstream shuffles from NumPy's global state on one process, so a run resumed in a later epoch sees other
rows; and when the number of micro-batches is not a multiple of the accumulation, the left-over ones stay in
the gradients of the next epoch's first step. Here every step has exactly `accumulation` micro-batches of
full size on every process: the last step of an epoch is completed with the first rows of that epoch's own
order. Every row is seen at least once per epoch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from paddle.io import Dataset, DistributedBatchSampler


class ExactBatchSampler(DistributedBatchSampler):  # type: ignore[misc]
    """Batches of one process. Which rows make a step does not depend on how many processes share it."""

    def __init__(
        self,
        dataset: Dataset,
        *,
        micro_batch_size: int,
        accumulation: int,
        processes: int,
        rank: int,
        seed: int,
    ) -> None:
        super().__init__(
            dataset, batch_size=micro_batch_size, num_replicas=processes, rank=rank, shuffle=True
        )
        self.rows = len(dataset)
        self.accumulation = accumulation
        self.processes = processes
        self.process = rank
        self.seed = seed
        self.steps = math.ceil(self.rows / (micro_batch_size * accumulation * processes))

    def __len__(self) -> int:
        """Return micro-batches per epoch and process: a multiple of the accumulation."""
        return self.steps * self.accumulation

    def order(self, epoch: int) -> np.ndarray:
        """Return the row numbers of an epoch in order, completed to whole steps."""
        permutation = np.random.default_rng([self.seed, epoch]).permutation(self.rows)
        return np.resize(permutation, len(self) * self.processes * self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        micro_batches = self.order(self.epoch).reshape(-1, self.batch_size)
        for batch in micro_batches[self.process :: self.processes]:
            yield batch.tolist()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration follows."""
        self.epoch = epoch
