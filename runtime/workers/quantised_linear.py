"""What few bits do to a linear layer, computed in floats: its weights (and inputs) rounded as a kernel would.

Weights: one scale for each output, its largest weight over the largest number of the format, which are the
scales of `weight_quantize` in Paddle 3.3.1 (measured). Inputs of A8W8: one scale for each layer, its largest
input on calibration rows. Smoothing moves range from inputs into weights, channel by channel, before either
is rounded (SmoothQuant, arXiv:2211.10438, equation 4 with alpha 0.5).
"""

from __future__ import annotations

from typing import Any

import paddle

LARGEST = {8: 127.0, 4: 7.0}
"""Bits -> the largest number of the format."""

ALPHA = 0.5
"""How much of the inputs' range smoothing moves into the weights; the paper's default."""

SMALLEST = 1e-8


def rounded(tensor: paddle.Tensor, scale: paddle.Tensor | float, bits: int) -> paddle.Tensor:
    """Return the tensor as it comes back from `bits` bits."""
    largest = LARGEST[bits]
    return paddle.clip(paddle.round(tensor / scale), -largest, largest) * scale


def rounded_weight(weight: paddle.Tensor, bits: int) -> paddle.Tensor:
    """Return weights [in, out] as they come back, one scale for each output."""
    scale = paddle.clip(weight.abs().max(axis=0, keepdim=True) / LARGEST[bits], min=SMALLEST)
    return rounded(weight, scale, bits)


class Watch:
    """Keeps the largest input of a layer, channel by channel, while calibration rows pass."""

    def __init__(self, layer: Any) -> None:
        self.largest: paddle.Tensor | None = None
        self.handle = layer.register_forward_pre_hook(self.see)

    def see(self, layer: Any, inputs: tuple[Any, ...]) -> None:
        """Take one batch into account: [..., in]."""
        found = inputs[0].detach().abs().reshape([-1, inputs[0].shape[-1]]).max(axis=0)
        self.largest = found if self.largest is None else paddle.maximum(self.largest, found)


def smoothing(largest: paddle.Tensor, weight: paddle.Tensor) -> paddle.Tensor:
    """Return by what each input channel is divided: [in]."""
    of_weight = paddle.clip(weight.abs().max(axis=1), min=SMALLEST)
    factor = paddle.clip(largest, min=SMALLEST) ** ALPHA / of_weight ** (1 - ALPHA)
    return paddle.clip(factor, min=1e-5)


def quantise_inputs(layer: Any, watch: Watch) -> None:
    """Let a layer round its inputs to 8 bits after smoothing, and round its weights, which take the rest."""
    watch.handle.remove()
    if watch.largest is None:
        return
    factor = smoothing(watch.largest, layer.weight)
    layer.weight.set_value(rounded_weight(layer.weight * factor.unsqueeze(1), 8))
    scale = float((watch.largest / factor).max()) / LARGEST[8]

    def round_inputs(layer: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (rounded(inputs[0] / factor, max(scale, SMALLEST), 8), *inputs[1:])

    layer.register_forward_pre_hook(round_inputs)
