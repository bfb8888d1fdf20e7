"""Prefix tuning: keys and values of virtual tokens before every text, in every block (arXiv:2101.00190).

PaddleNLP takes as many key and value heads as query heads for granted in llama models, and fails with grouped
ones. And positions must be counted from the text's first real token in training and in answering alike, so
they are always given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paddle
from paddlenlp.peft import PrefixConfig, PrefixModelForCausalLM
from paddlenlp.trl.llm_utils import get_prefix_tuning_params

from runtime.workers.refusal import RefusedError
from runtime.workers.speech import say

WEIGHTS = "prefix_model_state.pdparams"
CONFIG = "prefix_config.json"


class Prefix(PrefixModelForCausalLM):  # type: ignore[misc]
    """PaddleNLP's model with a prefix, with positions that do not count the prefix."""

    prefix_tokens: Any

    def forward(
        self, input_ids: paddle.Tensor, attention_mask: paddle.Tensor | None = None, **named: Any
    ) -> Any:
        """Run the model behind the prefix. The mask covers the text alone."""
        rows, length = input_ids.shape
        if named.get("position_ids") is None:
            named["position_ids"] = paddle.arange(length, dtype="int64").expand([rows, length])
        if attention_mask is None:
            attention_mask = paddle.ones([rows, length], dtype="int64")
        return super().forward(input_ids, attention_mask=attention_mask, **named)

    def cache(self, rows: int) -> Any:
        """Return the prefix as the key/value cache of `rows` texts."""
        self.prefix_tokens = self.prefix_tokens.astype("int64")  # they are cast with the weights
        return self._get_past_key_values(rows)

    @property
    def virtual_tokens(self) -> int:
        """Tokens that the prefix counts for in an attention mask."""
        return int(self.prefix_config.num_prefix_tokens)


def wrap(model: Any, config: PrefixConfig) -> Prefix:
    """Return `model` behind a prefix of this config."""
    shape = parameters(model)
    return Prefix(model, config, postprocess_past_key_value=shape["postprocess_past_key_value"])


def parameters(model: Any) -> dict[str, Any]:
    """Return PaddleNLP's figures for a model, with the number of key and value heads that it really has."""
    try:
        shape: dict[str, Any] = get_prefix_tuning_params(model)
    except ValueError as error:
        raise RefusedError(
            say("PaddleNLP has no prefix tuning for {kind} models.", kind=model.base_model_prefix)
        ) from error
    heads = getattr(model.config, "num_key_value_heads", None)
    if heads:
        shape["multi_query_group_num"] = heads
    return shape


def fresh(model: Any, *, tokens: int, dtype: str) -> Prefix:
    """Return `model` behind a random prefix of `tokens` virtual tokens; only the prefix moves."""
    shape = parameters(model)
    shape.pop("postprocess_past_key_value")
    return wrap(model, PrefixConfig(num_prefix_tokens=tokens, dtype=dtype, **shape))


def from_folder(base: Any, folder: Path) -> Prefix:
    """Return `base` behind a prefix of the saved shape; its tensors are still to be read."""
    return wrap(base, PrefixConfig.from_pretrained(str(folder)))


def save_config(adapted: Prefix, folder: Path) -> None:
    """Write prefix_config.json."""
    adapted.prefix_config.save_pretrained(str(folder))


def tensors(adapted: Prefix) -> dict[str, paddle.Tensor]:
    """Return every tensor that the prefix consists of."""
    state: dict[str, paddle.Tensor] = adapted.prefix_encoder.state_dict()
    return dict(state)
