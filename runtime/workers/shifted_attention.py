"""Shifted sparse attention of LongLoRA, in training only (arXiv:2309.12307, section 3.2).

A text is cut into groups, and a token attends within its group; for half of the heads the groups are shifted
by half a group, so that neighbours exchange. PaddleNLP's own version mixes heads with positions while it
regroups, so that a token sees later ones; it stays on in evaluation and in answering; it changes llama models
alone; and it fails unless the length divides evenly. Here the model's own mask decides what may be seen, so
never a later token, whatever is shifted, and the rest of a group is padding that nobody sees.
"""

from __future__ import annotations

import math
from typing import Any

import paddle

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

MODELS = ("llama", "qwen2")
"""Models whose attention layers call their `attn_func` with [rows, length, heads, width] in that order."""

HIDDEN = -1e9
"""Added to the score of what must not be seen."""


def grouped(
    query: paddle.Tensor, key: paddle.Tensor, value: paddle.Tensor, mask: paddle.Tensor, size: int, shift: int
) -> paddle.Tensor:
    """Return attention within groups of `size` tokens, after all is rolled back by `shift` tokens.

    Shapes: query, key, value [rows, heads, length, width], mask [rows, 1, length, length] as added to scores;
    the length is a multiple of `size`.
    """
    rows, heads, length, width = query.shape
    groups = length // size
    query, key, value = (
        paddle.roll(part, -shift, axis=2).reshape([rows, heads, groups, size, width])
        for part in (query, key, value)
    )
    blocks = paddle.roll(mask, [-shift, -shift], axis=[2, 3]).reshape([rows, 1, groups, size, groups, size])
    own = paddle.stack([blocks[:, :, group, :, group] for group in range(groups)], axis=2)
    scores = paddle.matmul(query / math.sqrt(width), key, transpose_y=True).astype("float32") + own
    weights = paddle.nn.functional.softmax(scores, axis=-1).astype(value.dtype)
    return paddle.roll(paddle.matmul(weights, value).reshape([rows, heads, length, width]), shift, axis=2)


def padded(part: paddle.Tensor, length: int) -> paddle.Tensor:
    """Return [rows, heads, length, width] with zeros after the text."""
    return paddle.nn.functional.pad(part, [0, 0, 0, length - part.shape[2]], data_format="NCHW")


def shifted_attention(
    query: paddle.Tensor, key: paddle.Tensor, value: paddle.Tensor, mask: paddle.Tensor, ratio: float
) -> paddle.Tensor:
    """Return [rows, length, heads x width]; `ratio` is a group's share of the length.

    Shapes: query, key, value [rows, length, heads, width], mask [rows, 1, length, length].
    """
    rows, length, heads, width = query.shape
    size = max(2, math.ceil(length * ratio))
    size += size % 2
    whole = math.ceil(length / size) * size
    query, key, value = (padded(part.transpose([0, 2, 1, 3]), whole) for part in (query, key, value))
    mask = paddle.nn.functional.pad(
        mask, [0, whole - length, 0, whole - length], value=HIDDEN, data_format="NCHW"
    )
    half = heads // 2
    parts = [
        grouped(query[:, some], key[:, some], value[:, some], mask, size, shift)
        for some, shift in ((slice(None, half), 0), (slice(half, None), size // 2))
    ]
    out = paddle.concat(parts, axis=1)[:, :, :length]
    return out.transpose([0, 2, 1, 3]).reshape([rows, length, heads * width])


def added_mask(mask: paddle.Tensor | None, rows: int, length: int) -> paddle.Tensor:
    """Return what is added to the scores, [rows, 1, length, length]; without a mask it hides later tokens."""
    if mask is None:
        mask = paddle.tril(paddle.ones([length, length], dtype="bool")).expand([rows, 1, length, length])
    if mask.dtype == paddle.bool:
        mask = paddle.where(mask, paddle.zeros([1]), paddle.full([1], HIDDEN))
    return mask.astype("float32").reshape([rows, 1, length, length])


def install(model: Any, ratio: float) -> None:
    """Let the model attend sparsely while it trains; any other pass attends to everything."""
    if model.base_model_prefix not in MODELS:
        raise RefusedError(
            say("`use_ssa` is not known for models of type {kind}.", kind=model.base_model_prefix),
            remedy=say("It works with {models}.", models=", ".join(MODELS)),
        )
    if not 0 < ratio <= 1:
        raise RefusedError(
            say("`ssa_group_size_ratio` is {ratio}; it must lie between 0 and 1.", ratio=ratio)
        )
    for layer in model.sublayers():
        if hasattr(layer, "attn_func"):
            layer.attn_func = attention_of(layer, ratio)


def attention_of(layer: Any, ratio: float) -> Any:
    """Return what an attention layer calls instead of its own function."""
    plain = layer.attn_func

    def attend(query: Any, config: Any, key: Any, value: Any, mask: Any, *others: Any, **named: Any) -> Any:
        if not layer.training or key.shape[1] != query.shape[1]:
            return plain(query, config, key, value, mask, *others, **named)
        rows, length = query.shape[:2]
        return shifted_attention(query, key, value, added_mask(mask, rows, length), ratio)

    return attend
