"""A linear layer of few bits, computed in floats as kernels of whole numbers would give it.

Weights: one scale for each output, its largest weight over the largest number of the format, which are the
scales of `weight_quantize` in Paddle 3.3.1 (measured). Inputs of A8W8: one scale for each layer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import paddle


def largest(bits: int) -> int:
    """Return the largest whole number of a format; the smallest is one further from zero."""
    return (1 << (bits - 1)) - 1


def rounded_weight(weight: paddle.Tensor, bits: int) -> paddle.Tensor:
    """Return weights [in, out] as they come back, one scale for each output."""
    most = largest(bits)
    scale = paddle.clip(weight.abs().max(axis=0, keepdim=True) / most, min=1e-8)
    return paddle.clip(paddle.round(weight / scale), -most, most) * scale


class Few(NamedTuple):
    """What a layer of few bits consists of."""

    whole: paddle.Tensor
    """[in, out], whole numbers in float32."""
    scale: paddle.Tensor
    """[out]: the weight that the largest number stands for."""
    bits: int
    act_scale: float | None
    """The input that the largest number stands for; None where inputs stay as they are."""
    bias: paddle.Tensor | None
    shift: paddle.Tensor | None
    """[in], added to inputs."""
    smooth: paddle.Tensor | None
    """[in], by which shifted inputs are multiplied."""


def rounding(scale: float, bits: int) -> list[Any]:
    """Return what makes whole numbers of inputs, and what makes inputs of them again.

    By Paddle's own operators: done otherwise, one input in a million falls the other way, and after thirty
    layers that has moved every logit (by 0.4 on average, measured on SmolLM2-135M).
    """
    from paddle.nn.quant.format import LinearDequanter, LinearQuanter

    settings = {"zero_point": 0.0, "quant_axis": -1, "bit_length": bits}
    return [LinearQuanter(scale, **settings), LinearDequanter(scale, **settings)]


class FewBitsLinear(paddle.nn.Layer):  # type: ignore[misc]
    """Stands in for `nn.Linear`: shifts, smooths and rounds its input, and multiplies by rounded weights."""

    def __init__(self, few: Few) -> None:
        super().__init__()
        self.few, self.most = few, largest(few.bits)
        self.weight = few.whole * few.scale / self.most
        self.rounding = [] if few.act_scale is None else rounding(few.act_scale, few.bits)

    def forward(self, inputs: paddle.Tensor) -> paddle.Tensor:
        """Return [..., out] for [..., in]."""
        few = self.few
        if few.shift is not None:
            inputs = inputs + few.shift
        if few.smooth is not None:
            inputs = inputs * few.smooth
        if few.act_scale is not None:
            for step in self.rounding:
                inputs = step(inputs)
        return paddle.nn.functional.linear(inputs, self.weight, few.bias)


class ShiftedNorm(paddle.nn.Layer):  # type: ignore[misc]
    """A norm and the bias that shifting gave it."""

    def __init__(self, norm: Any, bias: paddle.Tensor) -> None:
        super().__init__()
        self.norm, self.bias = norm, bias

    def forward(self, inputs: paddle.Tensor) -> paddle.Tensor:
        """Return what the norm gives, shifted."""
        return self.norm(inputs) + self.bias
