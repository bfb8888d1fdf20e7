"""One step of a language model as a static graph: tokens and cache in, scores and a longer cache out.

PaddleNLP's `model.to_static` puts the whole loop of generation into the graph: its nucleus sampling cannot
be traced, nor can qwen2, and wrong tokens from the second one on were seen. A single step has no loop: the
caller runs it once for the prompt and once per new token.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import paddle
from paddle.static import InputSpec

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say
from runtime.workers.toolkit import is_paddleformers

NAME = "step"
"""File name of the graph, without its ending."""


def attention(
    query: paddle.Tensor,
    config: Any,
    key: paddle.Tensor,
    value: paddle.Tensor,
    mask: paddle.Tensor,
    *others: Any,
    **named: Any,
) -> paddle.Tensor:
    """Return attention [rows, length, heads x width] without looking at lengths: a graph has none.

    Shapes: query [rows, length, heads, width], key and value [rows, total, heads, width], mask as added to
    the scores [rows, 1, length, total]. The same operations in the same order as PaddleNLP 3.0.0b4's own
    (llama/modeling.py:217), which compares shapes and so cannot be traced for qwen2.
    """
    query, key, value = (part.transpose([0, 2, 1, 3]) for part in (query, key, value))
    scores = paddle.matmul(query / math.sqrt(query.shape[-1]), key, transpose_y=True) + mask
    weights = paddle.nn.functional.softmax(scores.astype("float32"), axis=-1).astype(query.dtype)
    mixed = paddle.matmul(weights, value).transpose([0, 2, 1, 3])
    return mixed.reshape([0, 0, mixed.shape[2] * mixed.shape[3]])


def check_traceable(causal: Any) -> None:
    """Raise `RefusedError` for a model whose attention cannot be replaced by `attention`."""
    if is_paddleformers():
        raise RefusedError(
            say("Static graphs are made with PaddleNLP only."),
            remedy=say("Leave the model as a Hugging Face folder: --target huggingface."),
        )
    if not any(hasattr(layer, "attn_func") for layer in causal.sublayers()):
        raise RefusedError(
            say(
                "Models of type {kind} cannot be exported as a static graph.",
                kind=causal.config.model_type,
            ),
            say("Their attention in PaddleNLP 3.0.0b4 is not known to be the same step by step."),
            say("Leave the model as a Hugging Face folder: --target huggingface."),
        )
    if getattr(causal.config, "alibi", False):
        raise RefusedError(say("A model with ALiBi positions cannot be exported as a static graph."))
    if any("DynamicNTK" in type(layer).__name__ for layer in causal.sublayers()):
        raise RefusedError(
            say(
                "A model whose positions are rescaled by the length of the text cannot become a static graph."
            )
        )


class Positions(paddle.nn.Layer):  # type: ignore[misc]
    """The tables of rotary positions, whole: the model's own layer cuts them to a length."""

    def __init__(self, rotary: Any, dtype: Any) -> None:
        super().__init__()
        self.cos = rotary.cos_cached.astype(dtype).clone()
        self.sin = rotary.sin_cached.astype(dtype).clone()

    def forward(self, values: paddle.Tensor, seq_len: Any = None) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return cosines and sines, [1, positions, 1, width]; the caller picks rows by position."""
        return self.cos, self.sin


class Step(paddle.nn.Layer):  # type: ignore[misc]
    """A model that answers with the next token's scores and its cache. It takes the model for itself."""

    def __init__(self, causal: Any) -> None:
        super().__init__()
        check_traceable(causal)
        self.causal = causal
        self.backbone = getattr(causal, causal.base_model_prefix)
        attending = [layer for layer in causal.sublayers() if hasattr(layer, "attn_func")]
        # Every layer has a table of the same positions; in a graph each would be stored once more.
        positions = Positions(attending[0].rotary_emb, causal.lm_head.weight.dtype)
        for layer in attending:
            layer.attn_func, layer.rotary_emb = attention, positions

    def forward(
        self, ids: paddle.Tensor, positions: paddle.Tensor, mask: paddle.Tensor, cache: list[paddle.Tensor]
    ) -> list[paddle.Tensor]:
        """Return scores [rows, vocabulary] of the token after the last, then keys and values of each layer.

        Shapes: ids and positions [rows, length]; mask [rows, 1, length, total], true for what may be seen;
        cache: key and value of each layer in turn, [rows, total - length, heads, width].
        """
        pairs = [(cache[index], cache[index + 1]) for index in range(0, len(cache), 2)]
        output = self.backbone(
            ids,
            position_ids=positions,
            attention_mask=mask,
            use_cache=True,
            past_key_values=pairs,
            return_dict=True,
        )
        scores = self.causal.lm_head(output.last_hidden_state[:, -1:])[:, 0].astype("float32")
        return [scores, *(part for pair in output.past_key_values for part in pair)]


def cache_shape(config: Any) -> tuple[int, int, int]:
    """Return (layers, heads, width) of a model's cache."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(config.num_hidden_layers), int(heads), int(width)


def save(causal: Any, folder: Path) -> None:
    """Write the step of a model as `step.json` and `step.pdiparams`; the model is spent afterwards."""
    layers, heads, width = cache_shape(causal.config)
    dtype = str(causal.lm_head.weight.dtype).removeprefix("paddle.")
    step = Step(causal)
    step.eval()
    inputs = [
        InputSpec([None, None], "int64", "ids"),
        InputSpec([None, None], "int64", "positions"),
        InputSpec([None, 1, None, None], "bool", "mask"),
        [InputSpec([None, None, heads, width], dtype, f"cache{index}") for index in range(2 * layers)],
    ]
    traced = paddle.jit.to_static(step, input_spec=inputs, full_graph=True)
    paddle.jit.save(traced, str(folder / NAME))
