"""Compute logits only where a label counts; see `runtime.workers.answer_logits`, whose hooks these are."""

from __future__ import annotations

from typing import Any

from runtime.workers.answer_logits import AnswerLogits

FAMILIES = ("llama", "qwen2", "qwen3", "ernie4_5")
"""Models that apply `lm_head` to the hidden states and then `criterion` to logits and labels."""


def install(model: Any, training: Any) -> AnswerLogits | None:
    """Return the hooks installed on `model`; None where another layer also relies on the full shape."""
    parallel = training.tensor_model_parallel_size > 1 or training.pipeline_model_parallel_size > 1
    whole_head = getattr(model.config, "use_fused_head_and_loss_fn", False)
    if parallel or whole_head or model.config.model_type not in FAMILIES or not hasattr(model, "criterion"):
        return None
    return AnswerLogits(model)
