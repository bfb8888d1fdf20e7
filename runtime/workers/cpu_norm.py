"""Square by multiplying in the norm layers on a CPU.

Paddle's CPU kernel of `pow(2)` calls the general power function for every number, forward and backward. In
a small model on two cores that was a twelfth of a training step; the product gives the same numbers.
"""

from __future__ import annotations

import types
from typing import Any

import paddle
from paddlenlp.transformers.llama.modeling import LlamaRMSNorm
from paddlenlp.transformers.qwen2.modeling import Qwen2RMSNorm

LAYERS = (LlamaRMSNorm, Qwen2RMSNorm)


def rms_norm(layer: Any, hidden_states: paddle.Tensor) -> paddle.Tensor:
    """Return `hidden_states` over its root mean square along the last axis, times the layer's weight."""
    variance = (hidden_states * hidden_states).mean(-1, keepdim=True)
    return paddle.rsqrt(variance + layer.variance_epsilon) * hidden_states * layer.weight


def install(model: Any) -> int:
    """Replace the forward pass of every float32 norm layer on a CPU; return how many there were."""
    layers = [layer for layer in model.sublayers() if isinstance(layer, LAYERS)]
    if paddle.device.get_device() != "cpu" or any(layer.weight.dtype != paddle.float32 for layer in layers):
        return 0
    for layer in layers:
        layer.forward = types.MethodType(rms_norm, layer)
    return len(layers)
