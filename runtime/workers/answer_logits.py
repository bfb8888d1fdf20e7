"""Compute logits only where a label counts.

In supervised fine-tuning most positions are prompt or padding and carry no loss, yet the output layer, with
tens of thousands of columns, and the softmax over them would run for all. Selecting the positions before
the output layer gives the same loss and gradients and saves that work and its memory.
"""

from __future__ import annotations

from typing import Any

import paddle

from runtime.workers.callbacks import SFTConfig
from runtime.workers.conversation import IGNORED

MODELS = ("LlamaForCausalLM", "Qwen2ForCausalLM")
"""Models known to apply `lm_head` to the hidden states and then `criterion` to logits and labels."""


class AnswerLogits:
    """Two hooks on a causal language model. Set `labels` before each forward pass that computes a loss."""

    def __init__(self, model: Any) -> None:
        self.labels: paddle.Tensor | None = None
        self.positions: paddle.Tensor | None = None
        model.lm_head.register_forward_pre_hook(self.select_hidden)
        model.criterion.register_forward_pre_hook(self.select_labels)

    def select_hidden(self, layer: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Keep the hidden states of shape [batch, length, width] whose label counts, as [1, kept, width]."""
        self.positions = None
        if self.labels is None:
            return None
        hidden, *rest = inputs
        self.positions = paddle.nonzero(self.labels.flatten() != IGNORED).flatten()
        if self.positions.shape[0] == 0:
            self.positions = paddle.zeros([1], dtype="int64")
        kept = paddle.index_select(hidden.flatten(0, 1), self.positions)
        return (kept.unsqueeze(0), *rest)

    def select_labels(self, layer: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Keep the labels of the same positions, as [1, kept]."""
        if self.positions is None:
            return None
        logits, labels, *rest = inputs
        return (logits, paddle.index_select(labels.flatten(), self.positions).unsqueeze(0), *rest)


def install(model: Any, training: SFTConfig) -> AnswerLogits | None:
    """Return the hooks installed on `model`; None where another layer also relies on the full shape."""
    parallel = training.tensor_parallel_degree > 1 or training.pipeline_parallel_degree > 1
    if parallel or training.sequence_parallel or type(model).__name__ not in MODELS:
        return None
    return AnswerLogits(model)
