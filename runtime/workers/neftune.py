"""NEFTune: noise on the token embeddings while training, none while evaluating (arXiv:2310.05914).

Noise is uniform within alpha / sqrt(length x width) of zero, as in the paper (section 2). Upstream's script
divides by the square root of rows x length: at a width of 4096 that is 64 times as much noise for one row.
"""

from __future__ import annotations

from typing import Any

import paddle


def bound(alpha: float, length: int, width: int) -> float:
    """Return the largest noise on one number of an embedded text [length, width]."""
    return float(alpha / (length * width) ** 0.5)


def install(model: Any, alpha: float) -> None:
    """Add noise to what the model's embedding layer gives in training mode, by Paddle's random state."""
    disturb(model.get_input_embeddings(), alpha)


def disturb(embedding: Any, alpha: float) -> None:
    """Add noise to what an embedding layer gives; None is that of a pipeline's stage which has none."""

    def with_noise(layer: Any, inputs: Any, output: paddle.Tensor) -> paddle.Tensor:
        if not layer.training:
            return output
        largest = bound(alpha, output.shape[-2], output.shape[-1])
        return output + paddle.uniform(output.shape, output.dtype, min=-largest, max=largest)

    if embedding is not None:
        embedding.register_forward_post_hook(with_noise)
